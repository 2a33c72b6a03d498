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

# The long runs: every system call of every wish and of the start; N random
# ones. MW_SECONDS ends them earlier, MW_LANES says how many at a time.
KILL := all $(addprefix $(O)/tests/,sim/simcloud kill/killer kill/wallclock.so)
kill-points: $(KILL)
	$(Q)$(PYTHON) tests/kill/kill.py $(O) points $(or $(STRIDE),1)
kill-random: $(KILL)
	$(Q)$(PYTHON) tests/kill/kill.py $(O) random $(or $(N),10000)
kill-disk: $(KILL)
	$(Q)$(PYTHON) tests/kill/kill.py $(O) disk
.PHONY: kill-points kill-random kill-disk
