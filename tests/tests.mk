tests/unit/test_store_SRCS := coordinator/store/store.c coordinator/store/store_db.c coordinator/store/store_migrate.c coordinator/store/db_backup.c
tests/unit/test_migrate_SRCS := $(tests/unit/test_store_SRCS)
tests/unit/test_db_mesh_SRCS := coordinator/store/store.c coordinator/store/store_db.c coordinator/store/store_migrate.c coordinator/store/db_backup.c \
	coordinator/store/db_mesh.c coordinator/store/db_pair.c coordinator/store/db_rttset.c
tests/unit/test_retain_SRCS := coordinator/store/store.c coordinator/store/store_db.c coordinator/store/store_migrate.c coordinator/store/db_backup.c \
	coordinator/store/db_mesh.c coordinator/store/db_rttset.c coordinator/store/db_fold.c \
	coordinator/store/db_retain.c
# The twin's network and VMs without its clouds.
TWIN_NET := $(filter-out $(wildcard twin/init_*.c),$(wildcard twin/wan*.c \
	twin/vm*.c twin/root*.c twin/guard*.c twin/cgroup*.c twin/netdev.c \
	twin/calibrate.c)) tests/component/twin_lab.c
$(O)/tests/component/twin_vm: $(call obj,tests/component/twin_vm.c $(TWIN_NET)) \
    $(call archives,common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
component: $(O)/tests/component/twin_vm
ssh_SRCS := coordinator/remote/ssh.c coordinator/remote/ssh_policy.c coordinator/remote/ssh_key.c \
	coordinator/remote/remote.c \
	coordinator/remote/remote_pack.c coordinator/remote/install_run.c \
	coordinator/remote/tools_run.c \
	coordinator/remote/install_msg.c coordinator/remote/exec.c
tests/unit/test_ssh_key_SRCS     := coordinator/remote/ssh_key.c
tests/unit/test_install_msg_SRCS := coordinator/remote/install_msg.c \
	coordinator/remote/exec_text.c
$(O)/tests/unit/test_install_msg.o: $(O)/gen/coordinator/remote/install.sh.h \
	$(O)/gen/coordinator/remote/uninstall.sh.h $(O)/gen/coordinator/remote/exec.sh.h \
	$(O)/gen/coordinator/remote/tools.sh.h
tests/fuzz/fuzz_link_SRCS := coordinator/measure/bench_env.c coordinator/measure/raw.c
tests/fuzz/fuzz_install_msg_SRCS := coordinator/remote/install_msg.c \
	coordinator/remote/ssh_key.c
$(O)/tests/component/ssh_client: $(call obj,tests/component/ssh_client.c \
    $(ssh_SRCS)) $(call archives,drivers common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
component: $(O)/tests/component/ssh_client
$(O)/tests/component/agent_ca: $(call obj,tests/component/agent_ca.c) \
    $(call archives,common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
component: $(O)/tests/component/agent_ca
twin_world := twin/world.c twin/world_find.c twin/world_rtt.c twin/cloud_native.c
twin_cloud := $(twin_world) twin/fault.c twin/replay.c twin/cloud.c \
	twin/cloud_json.c twin/cloud_machine.c twin/cloud_parse.c twin/cloud_vm.c
tests/unit/test_world_SRCS := $(twin_world)
tests/fuzz/fuzz_world_SRCS := $(twin_world)
tests/unit/test_cloud_SRCS := $(twin_cloud) tests/unit/rig_cloud.c
tests/unit/test_cloud_fault_SRCS := $(tests/unit/test_cloud_SRCS)
tests/unit/test_httpd_SRCS := tests/unit/rig_httpd.c
tests/unit/test_httpd_late_SRCS := tests/unit/rig_httpd.c
tests/unit/test_lifecycle_SRCS := tests/unit/rig_lifecycle.c
tests/unit/test_lifecycle_plan_SRCS := tests/unit/rig_lifecycle.c
tests/unit/test_wan_SRCS := twin/wan_heap.c twin/wan_flow.c twin/wan_model.c \
	twin/calibrate.c twin/netdev.c
tests/unit/test_vm_key_SRCS := twin/vm_key.c
tests/fuzz/fuzz_vm_key_SRCS := twin/vm_key.c
# The agent without its main and agent.c.
agent_PARTS := $(filter-out agent/main.c agent/agent.c,$(agent_SRCS))
tests/unit/test_sysbench_SRCS := agent/bench/sysbench.c
tests/unit/test_spool_SRCS    := agent/link/spool.c
tests/unit/test_sched_SRCS    := agent/sched.c
tests/unit/test_echo_SRCS     := agent/probe/echo.c
tests/unit/test_rules_SRCS    := agent/bench/rules.c
tests/unit/test_rawlog_SRCS   := agent/bench/rawlog.c agent/host/sysenv.c \
	agent/host/sysinfo.c coordinator/measure/raw.c
agent_db_SRCS := $(addprefix agent/,bench/dbbench.c bench/dbengine.c \
	bench/toolhint.c host/confine.c host/sysinfo.c)
tests/unit/test_dbbench_SRCS  := $(agent_db_SRCS) agent/bench/sweep.c
tests/unit/test_sysinfo_SRCS  := agent/host/sysinfo.c
tests/unit/test_pinger_SRCS   := agent/probe/pinger.c
tests/unit/test_hostmetrics_SRCS := $(addprefix agent/host/,hostmetrics.c \
	hostparse.c hostserve.c sysinfo.c)
tests/fuzz/fuzz_hostmetrics_SRCS := agent/host/hostparse.c
tests/unit/test_prober_SRCS   := $(addprefix agent/probe/,prober.c echo.c responder.c \
	mesh.c stamp.c reach.c icmp.c tcpinfo.c pinger.c)
tests/unit/test_msg_SRCS      := $(agent_PARTS)
tests/unit/test_uplink_SRCS   := agent/link/uplink.c
tests/unit/test_facade_msg_SRCS := agent/facade/facade_msg.c
tests/fuzz/fuzz_facade_SRCS := agent/facade/facade_msg.c
tests/fuzz/fuzz_sysbench_SRCS := agent/bench/sysbench.c
tests/fuzz/fuzz_tools_SRCS    := $(agent_db_SRCS)
tests/fuzz/fuzz_agent_msg_SRCS := $(agent_PARTS)
tests/fuzz/fuzz_echo_SRCS     := agent/probe/echo.c
tests/fuzz/fuzz_spool_SRCS    := agent/link/spool.c
tests/fuzz/fuzz_raw_SRCS      := coordinator/measure/raw.c
tests/fuzz/fuzz_sysinfo_SRCS  := agent/host/sysinfo.c
tests/fuzz/fuzz_pinger_SRCS   := agent/probe/pinger.c
tests/unit/test_auth_SRCS := coordinator/auth.c coordinator/ca.c coordinator/remote/ssh_key.c \
	coordinator/events.c coordinator/store/db_events.c coordinator/store/store.c \
	coordinator/store/store_db.c coordinator/store/store_migrate.c coordinator/store/db_backup.c
tests/unit/test_bench_SRCS := coordinator/measure/bench.c coordinator/measure/bench_env.c coordinator/measure/bench_in.c \
	coordinator/measure/bench_join.c coordinator/measure/bench_plan.c coordinator/measure/bench_save.c \
	coordinator/store/db_bench.c coordinator/measure/raw.c coordinator/store/store.c \
	coordinator/store/store_db.c coordinator/store/store_migrate.c coordinator/store/db_backup.c
tests/unit/test_mcis_file_SRCS := coordinator/mcis/mcis_file.c
tests/unit/test_conn_stats_SRCS := coordinator/cloud/conn_stats.c
tests/unit/test_conns_place_SRCS := coordinator/cloud/conns_place.c
tests/unit/test_ssh_from_SRCS := coordinator/cloud/ssh_from.c
tests/unit/test_metrics_text_SRCS := coordinator/measure/metrics_text.c
tests/unit/test_db_host_SRCS := coordinator/store/db_host.c coordinator/store/store.c coordinator/store/store_db.c \
	coordinator/store/store_migrate.c coordinator/store/db_backup.c
tests/fuzz/fuzz_mcis_file_SRCS := coordinator/mcis/mcis_file.c
cli_SRCS := $(filter-out cli/main.c,$(wildcard cli/*.c))
tests/unit/test_cli_table_SRCS  := $(cli_SRCS)
tests/unit/test_cli_opt_SRCS    := $(cli_SRCS)
tests/unit/test_cli_http_SRCS   := $(cli_SRCS)
tests/unit/test_cli_answer_SRCS := $(cli_SRCS)
tests/unit/test_cli_report_SRCS := $(cli_SRCS)
$(O)/tests/component/driver_cases: $(call obj,$(addprefix tests/component/, \
    driver_cases.c driver_cases_all.c driver_cases_net.c driver_cases_rules.c \
    driver_cases_proxy.c driver_cases_ec2.c)) \
    $(call archives,drivers common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
component: $(O)/tests/component/driver_cases
# All cases of tests/component/net.sh: some minutes, 20 kills among them.
net: all
	$(Q)bash tests/component/net.sh $(O) ssh_from hidden moved destroy \
	    secrets quick kills
.PHONY: net
# What was shown of each driver, and against what: docs/verification.md. The
# column of OpenStack is that of the newest make check-openstack here.
verification-table: all $(O)/tests/component/driver_cases
	$(Q)bash tests/component/drivers.sh $(O) && \
	    cat $(O)/conformance*.lines | python3 tests/component/verification.py \
	    >docs/verification.md && cat docs/verification.md
.PHONY: verification-table
$(O)/tests/component/os_run: $(call obj,tests/component/os_run.c) \
    $(call archives,drivers common pure)
	$(Q)$(CC) $(ALLCFLAGS) $(LDFLAGS_$(MODE)) -o $@ $^ $(TEST_LIBS)
component: $(O)/tests/component/os_run
tests/unit/test_cli_cmd_SRCS    := $(filter-out cli/http.c,$(cli_SRCS))
tests/unit/test_db_eval_SRCS := coordinator/store/db_eval.c coordinator/measure/eval_json.c coordinator/place/place_scores.c \
	$(tests/unit/test_store_SRCS)
tests/unit/test_mesh_plan_SRCS := coordinator/measure/mesh_plan.c
tests/prop/prop_mesh_plan_SRCS := coordinator/measure/mesh_plan.c
tests/unit/test_icmp_SRCS      := agent/probe/icmp.c agent/probe/stamp.c
tests/fuzz/fuzz_icmp_SRCS      := agent/probe/icmp.c agent/probe/stamp.c
tests/unit/test_reach_SRCS     := $(addprefix agent/probe/,reach.c icmp.c stamp.c \
	tcpinfo.c pinger.c)
sched_rule_SRCS := coordinator/measure/sched_rule.c coordinator/measure/sched_time.c \
	coordinator/measure/bench_plan.c
tests/prop/prop_sched_SRCS := $(sched_rule_SRCS)
tests/fuzz/fuzz_sched_SRCS := $(sched_rule_SRCS)
tests/unit/test_mesh_budget_SRCS := coordinator/measure/mesh_budget.c coordinator/store/store.c coordinator/store/store_db.c \
	coordinator/store/store_migrate.c coordinator/store/db_backup.c
tests/unit/test_bundle_SRCS := $(cli_SRCS)
tests/fuzz/fuzz_bundle_SRCS := $(cli_SRCS)
tests/unit/test_bundle_build_SRCS := coordinator/measure/bundle.c coordinator/measure/bundle_eval.c coordinator/measure/eval_json.c \
	coordinator/measure/mesh_json.c
tests/unit/test_drift_SRCS := coordinator/place/drift_rule.c \
	coordinator/place/drift_relied.c coordinator/place/drift_find.c
tests/prop/prop_drift_SRCS := coordinator/place/drift_rule.c
-include tests/kill.mk
tests/prop/prop_prepared_SRCS := tests/bench/place_world.c
tests/fuzz/fuzz_scenario_SRCS := tests/sim/scenario_parse.c
# docs/lifecycle.md from the tables of the lifecycle.
tests/unit/test_status_SRCS := tests/unit/lifecycle_doc.c
lifecycle-doc: $(O)/tests/unit/test_status
	$(Q)$< print >docs/lifecycle.md
.PHONY: lifecycle-doc
