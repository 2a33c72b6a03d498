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
