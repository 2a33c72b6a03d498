# The OpenStack driver against a real control plane. Not part of check: needs
# root, 3 GB and minutes. CASES="life quota": only these. See README.md.
OPENSTACK := bash tests/openstack/cloud.sh
check-openstack: all $(O)/tests/component/os_run $(O)/tests/component/driver_cases
	$(Q)$(OPENSTACK) up
	$(Q)$(OPENSTACK) run python3 tests/openstack/cases.py $(O) $(CASES); \
	    status=$$?; \
	    $(OPENSTACK) run bash tests/openstack/conformance.sh $(O) || status=1; \
	    [ -n "$(KEEP)" ] || $(OPENSTACK) down; exit $$status
# New recordings for tests/component/openstack.sh.
record-openstack: $(O)/tests/component/os_run
	$(Q)$(OPENSTACK) up
	$(Q)$(OPENSTACK) run python3 tests/openstack/record.py $(O); \
	    status=$$?; $(OPENSTACK) down; exit $$status
.PHONY: check-openstack record-openstack
