# Benchmarks of the parts: one JSON object {name,value,unit,target} per line on
# the screen and in build/bench/NAME.jsonl. Included by .ci/check.mk.
$(O)/tests/bench/twin_rtt: $(call obj,tests/bench/twin_rtt.c $(TWIN_NET)) \
    $(call archives,common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
bench-twin: $(O)/tests/bench/twin_rtt $(O)/milkyway-twin-init
	$(Q)mkdir -p build/bench
	$(Q)$< $(O)/milkyway-twin-init | tee -a build/bench/twin.jsonl
.PHONY: bench-twin

# The whole product with 100 VMs (or 10, 17): need root.
BENCHES := install mesh rtt agent api
$(addprefix bench-,$(BENCHES)): bench-%: all
	$(Q)bash tests/bench/$*.sh $(O) build/bench
.PHONY: $(addprefix bench-,$(BENCHES))

# The agent alone on this machine, quiet and disturbed.
bench-validity: $(O)/milkyway-agent
	$(Q)bash tests/bench/validity.sh $(O) build/bench
.PHONY: bench-validity

# The matrix of 100 VMs on disk.
BENCH_STORE := tests/bench/store.c coordinator/store/store.c coordinator/store/store_db.c coordinator/store/store_migrate.c coordinator/store/db_backup.c \
	coordinator/store/db_mesh.c coordinator/store/db_pair.c coordinator/store/db_rttset.c \
	coordinator/store/db_fold.c coordinator/store/db_retain.c
$(O)/tests/bench/store: $(call obj,$(BENCH_STORE)) $(call archives,common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
bench-store: $(O)/tests/bench/store
	$(Q)mkdir -p build/bench
	$(Q)$< build/bench | tee build/bench/store.jsonl
.PHONY: bench-store

# Worlds of 300 to 5,000 sites, prepared and not.
$(O)/tests/bench/place_big: $(call obj,tests/bench/place_big.c tests/bench/place_world.c) \
    $(call archives,placement pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ -lm
bench-place-big: $(O)/tests/bench/place_big
	$(Q)mkdir -p build/bench
	$(Q)$< | tee build/bench/place-big.jsonl
.PHONY: bench-place-big

# 1,000 placement questions from 64 connections, with deck17; WORLD, VMS and
# CONNECTIONS are others.
bench-place-api: all
	$(Q)bash tests/bench/place_api.sh $(O) build/bench "$(WORLD)" "$(VMS)" "$(CONNECTIONS)"
.PHONY: bench-place-api

# The placement library, and how it compares with CBC and GLPK if they are
# installed (coinor-cbc, glpk-utils); S is the time they get for one model, F
# one family (random, infeasible, against.roles6, ...) or small, large, compare.
S ?= 5
F ?= all
BENCH_PLACEMENT := $(addprefix tests/bench/,placement.c place_run.c place_against.c place_world.c place_lp.c)
$(O)/tests/bench/placement: $(call obj,$(BENCH_PLACEMENT)) \
    $(call archives,placement pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ -lm
bench-placement: $(O)/tests/bench/placement
	$(Q)mkdir -p build/bench/placement
	$(Q)$< build/bench/placement $(S) $(F) | tee build/bench/placement.jsonl
.PHONY: bench-placement

# The coordinator with 10,000 VMs in 100 regions of clouds without machines.
bench-lifecycle: $(O)/milkywayd $(O)/tests/sim/simcloud
	$(Q)mkdir -p build/bench
	$(Q)python3 tests/bench/lifecycle.py $(O) $(or $(VMS),10000) | tee build/bench/lifecycle.jsonl
.PHONY: bench-lifecycle
