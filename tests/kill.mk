# Real processes that are killed at every syscall (docs/simulator.md). The
# simulated cloud is the twin's clouds over machines that exist in name only.
simcloud_SRCS := $(wildcard tests/sim/simcloud*.c) $(twin_cloud) \
	twin/ctl_call.c twin/ctl_cloud.c twin/ctl_lab.c
$(O)/tests/sim/simcloud: $(call obj,$(simcloud_SRCS)) \
    $(call archives,common pure)
	$(Q)mkdir -p $(@D) && $(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ \
	    $(TEST_LIBS)
component: $(O)/tests/sim/simcloud
$(O)/tests/kill/killer: $(call obj,tests/kill/killer.c)
	$(Q)mkdir -p $(@D) && $(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^
component: $(O)/tests/kill/killer
$(O)/tests/kill/wallclock.so: tests/kill/wallclock.c
	$(Q)mkdir -p $(@D) && $(CC) -std=c17 -D_GNU_SOURCE $(WARN) -O2 -fPIC \
	    -shared -o $@ $<
component: $(O)/tests/kill/wallclock.so

# A coordinator whose rules can be switched off, to see that kills notice.
# Objects as tests/sim.mk makes them.
KILL_MUT := $(lifecycle_LIB) coordinator/store/store_db.c tests/kill/mutant_env.c
$(O)/tests/kill/milkywayd: $(patsubst %.c,$(O)/mutant/%.o,$(KILL_MUT)) \
    $(call obj,$(filter-out $(KILL_MUT),$(milkywayd_SRCS))) \
    $(call archives,$(filter-out lifecycle,$(milkywayd_ROOMS)))
	$(Q)mkdir -p $(@D) && $(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ \
	    $(milkywayd_LIBS)

# The long runs: every system call of every wish and of the start; N random
# ones. MW_SECONDS ends them earlier, MW_LANES says how many at a time.
KILL := all $(addprefix $(O)/tests/,sim/simcloud kill/killer kill/wallclock.so)
kill-points: $(KILL)
	$(Q)$(PYTHON) tests/kill/kill.py $(O) points $(or $(STRIDE),1)
kill-random: $(KILL)
	$(Q)$(PYTHON) tests/kill/kill.py $(O) random $(or $(N),10000)
kill-disk: $(KILL)
	$(Q)$(PYTHON) tests/kill/kill.py $(O) disk
kill-mutants: $(KILL) $(O)/tests/kill/milkywayd
	$(Q)$(PYTHON) tests/kill/kill.py $(O) mutants
.PHONY: kill-mutants kill-points kill-random kill-disk
