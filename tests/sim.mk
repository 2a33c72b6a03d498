# The simulator: the shipped lifecycle and store in a world of one seed.
# Included by .ci/check.mk. docs/simulator.md tells how to use it.
SIM_STORE := coordinator/store/store_db.c coordinator/store/store_migrate.c \
	coordinator/store/db_lifecycle.c
# The world without a main(): also for programs with scenarios of their own.
SIM_WORLD := tests/sim/sim.c $(wildcard tests/sim/sim_*.c) $(SIM_STORE)
$(O)/milkyway-sim: $(call obj,tests/sim/main.c $(SIM_WORLD)) \
    $(call archives,lifecycle common pure)
	@echo "  LINK  $@"
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
