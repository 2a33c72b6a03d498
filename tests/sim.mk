# The simulator: the shipped lifecycle and store in a world of one seed.
# Included by .ci/check.mk. docs/simulator.md tells how to use it.
SIM_STORE := coordinator/store/store_db.c coordinator/store/store_migrate.c \
	coordinator/store/db_lifecycle.c coordinator/store/db_prereq.c
# The world without a main(): also for programs with scenarios of their own.
SIM_WORLD := tests/sim/sim.c $(wildcard tests/sim/sim_*.c) $(SIM_STORE)
SCENARIO := tests/sim/scenario.c tests/sim/scenario_parse.c
$(O)/milkyway-sim: $(call obj,tests/sim/main.c $(SCENARIO) $(SIM_WORLD)) \
    $(call archives,lifecycle common pure)
	@echo "  LINK  $@"
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
# Part of make unit.
$(O)/tests/sim/test_sim: $(call obj,tests/sim/test_sim.c $(SIM_WORLD)) \
    $(call archives,lifecycle common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
TESTS_UNIT += $(O)/tests/sim/test_sim
unit: $(O)/tests/sim/test_sim

# One core for an hour, other seeds each time; SOAK_S=60 for a minute.
SOAK_S ?= 3600
SOAK_SEED ?= $(shell date +%s)000000
soak: $(O)/milkyway-sim
	$(Q)echo "seeds from $(SOAK_SEED)"
	$(Q)$< --seed $(SOAK_SEED) --seeds 0 --for $(SOAK_S)
.PHONY: soak

# Each file of tests/scenarios is a case of make unit.
$(O)/tests/sim/test_scenarios: $(call obj,tests/sim/test_scenarios.c \
    $(SCENARIO) $(SIM_WORLD)) $(call archives,lifecycle common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
TESTS_UNIT += $(O)/tests/sim/test_scenarios
unit: $(O)/tests/sim/test_scenarios

# The same with rules that can be switched off at run time: objects of their
# own, which nothing else links.
MUTANT_SRCS := tests/sim/mutants.c tests/sim/mutants_main.c $(SCENARIO) \
	$(SIM_WORLD) $(lifecycle_LIB)
$(O)/mutant/%.o: %.c | deps-note
	@echo "  CC    $< (mutants)"
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) -DMW_MUTANT_RUN $(ALLCFLAGS) \
	    -c -o $@ $<
$(O)/mutant/coordinator/store/store_db.o: $(O)/coordinator/store/store_db.o
$(O)/milkyway-mutants: $(patsubst %.c,$(O)/mutant/%.o,$(MUTANT_SRCS)) \
    $(call archives,common pure)
	@echo "  LINK  $@"
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)

# Tests the tests: each rule that is switched off must be noticed.
# MUTANTS="-j1 no-fence" runs one.
mutants: $(O)/milkyway-mutants
	$(Q)$(O)/milkyway-mutants $(MUTANTS)
.PHONY: mutants
