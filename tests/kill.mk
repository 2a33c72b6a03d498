# Real processes that are killed at every syscall (docs/simulator.md). The
# simulated cloud is the twin's clouds over machines that exist in name only.
simcloud_SRCS := $(wildcard tests/sim/simcloud*.c) $(twin_cloud) \
	twin/ctl_call.c twin/ctl_cloud.c twin/ctl_lab.c
$(O)/tests/sim/simcloud: $(call obj,$(simcloud_SRCS)) \
    $(call archives,common pure)
	$(Q)mkdir -p $(@D) && $(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ \
	    $(TEST_LIBS)
component: $(O)/tests/sim/simcloud
