# Targets that check the project. Included by the Makefile.
TESTS_UNIT := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
TESTS_PROP := $(patsubst %.c,$(O)/%,$(wildcard tests/prop/prop_*.c))
TEST_LIBS  := -lcmocka -lmicrohttpd -linih -lcurl -lexpat -lsqlite3 -lssh2 -lz \
	-levent_openssl -levent -lssl -lcrypto -ljansson -lm
TEST_ARCHIVES := drivers placement_io placement lifecycle common pure

# A test that needs files of a program's room names them in tests/tests.mk:
# tests/unit/test_x_SRCS := agent/bench/sysbench.c
-include tests/tests.mk
define test_rule
$(O)/$(1): $(O)/$(1).o $(call obj,$($(1)_SRCS)) $(call archives,$(TEST_ARCHIVES))
	$$(Q)$$(CC) $$(ALLCFLAGS) $$(LDFLAGS_$(MODE)) -o $$@ $$^ $$(TEST_LIBS)
endef
$(foreach t,$(patsubst %.c,%,$(wildcard tests/unit/test_*.c tests/prop/prop_*.c)),$(eval $(call test_rule,$(t))))

deps:
	$(Q)sh .ci/deps.sh packaging/apt-build.txt
# Before the first object: a missing package is named, or installed as root.
deps-note:
	$(Q)sh .ci/deps.sh packaging/apt-build.txt

layers:
	$(Q)sh .ci/layers.sh $(ROOMS) && echo "layers: ok"

IMPURE := time gettimeofday clock_gettime nanosleep rand random getrandom getenv \
	open open64 read write fopen fopen64 printf socket sendto recv poll \
	getaddrinfo (pthread|event|json|sqlite3)_[a-z_0-9]+
empty :=
purity: $(call archives,pure placement lifecycle)
	$(Q)! nm -u $^ | sed -n 's/^ *U //p' | grep -wE '$(subst $(empty) ,|,$(strip $(IMPURE)))' && \
	    echo "purity: ok"

gates:
	$(Q)sh .ci/gates.sh $(ROOMS)

HEADERS := $(shell find $(ROOMS) -name '*.h')
headers:
	$(Q)for h in $(HEADERS); do \
	    $(CC) -std=c17 $(filter-out -MMD -MP,$(CPPFLAGS)) $(WARN) -fsyntax-only -x c $$h || exit 1; \
	done && echo "headers: ok"

SOURCES := $(shell find $(ROOMS) tests -name '*.[ch]')
format:
	$(Q)clang-format -i $(SOURCES)
format-check:
	$(Q)clang-format --dry-run --Werror $(SOURCES) && echo "format: ok"

unit: $(TESTS_UNIT) $(TESTS_PROP)
	$(Q)sh tests/lib/run.sh $(TESTS_UNIT) $(TESTS_PROP)

# Line coverage of the unit and property tests; FILES=1 prints each file too.
coverage:
	$(Q)find $(O:$(MODE)=cov) -name '*.gcda' -delete 2>/dev/null || true
	$(Q)$(MAKE) MODE=cov O=$(O:$(MODE)=cov) all unit
	$(Q)sh .ci/coverage.sh $(O:$(MODE)=cov) $(ROOMS)

# Informational: what the compiler and cppcheck suspect.
analyze:
	$(Q)sh .ci/analyze.sh -I. -I$(O)/gen -D_GNU_SOURCE -DMW_VERSION='"$(VERSION)"'

.PHONY: coverage analyze deps deps-note layers purity gates headers format format-check unit

component: all
	$(Q)bash tests/lib/component.sh $(O) $(wildcard tests/component/*.sh)

FUZZERS := $(patsubst %.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz-build: $(FUZZERS)
fuzz-short: $(FUZZERS)
	$(Q)sh tests/lib/fuzz.sh $^
define fuzz_rule
$(O)/$(1): $(O)/$(1).o $(call obj,$($(1)_SRCS)) $(call archives,$(TEST_ARCHIVES))
	$$(Q)$$(CC) $$(ALLCFLAGS) -fsanitize=fuzzer $$(LDFLAGS) -o $$@ $$^ $$(TEST_LIBS)
endef
$(foreach t,$(patsubst %.c,%,$(wildcard tests/fuzz/fuzz_*.c)),$(eval $(call fuzz_rule,$(t))))

# All tests. Installs what it needs first.
check: deps
	$(Q)bash .ci/check.sh

# The main job, end to end, in emulated clouds; needs root.
demo: deps all
	$(Q)bash tests/stories/demo17.sh $(O) build/demo
demo-18: deps all
	$(Q)bash tests/stories/demo18.sh $(O) build/demo-18

# The two programs that run on VMs, for arm64: set the coordinator's agent.dir
# to build/arm64. Not part of check.
ARM64 := build/arm64
ARM64_CC := aarch64-linux-gnu-gcc -isystem $(ARM64)/sysroot/usr/include \
	-isystem $(ARM64)/sysroot/usr/include/aarch64-linux-gnu
agent-arm64:
	$(Q)mkdir -p $(ARM64)
	$(Q)grep -v :arm64 packaging/apt-arm64.txt >$(ARM64)/host.txt
	$(Q)sh .ci/deps.sh $(ARM64)/host.txt
	$(Q)sh .ci/sysroot.sh arm64 packaging/apt-arm64.txt $(ARM64)
	$(Q)$(MAKE) O=$(ARM64) MODE=release CC='$(ARM64_CC)' \
	    AR=aarch64-linux-gnu-ar \
	    LDFLAGS=-L$(ARM64)/sysroot/usr/lib/aarch64-linux-gnu \
	    $(ARM64)/milkyway-agent $(ARM64)/milkyway-ping
	file $(ARM64)/milkyway-agent $(ARM64)/milkyway-ping
	qemu-aarch64-static $(ARM64)/milkyway-agent version

# Into DESTDIR; programs are stripped only by who packages them.
DESTDIR ?=
SHARE := $(DESTDIR)$(PREFIX)/share
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d $(SHARE)/milkyway \
	    $(SHARE)/doc/milkyway/decisions $(SHARE)/bash-completion/completions \
	    $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	install -m 755 $(addprefix $(O)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	sed 's|/usr/local/|$(PREFIX)/|' packaging/milkywayd.service \
	    >$(DESTDIR)$(PREFIX)/lib/systemd/system/milkywayd.service
	install -m 644 packaging/milkyway.sysusers \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/milkyway.conf
	cp -R bench-data packaging/grafana packaging/prometheus-alerts.yml \
	    $(SHARE)/milkyway/
	install -m 644 README.md LICENSE CHANGELOG.md docs/*.md docs/openapi.yaml \
	    $(SHARE)/doc/milkyway
	install -m 644 docs/decisions/*.md $(SHARE)/doc/milkyway/decisions
	$(O)/milkyway completion bash >$(SHARE)/bash-completion/completions/milkyway
	$(O)/milkyway completion zsh >$(SHARE)/zsh/site-functions/_milkyway
	$(O)/milkyway completion fish >$(SHARE)/fish/vendor_completions.d/milkyway.fish
	chmod -R u=rwX,go=rX $(SHARE)/milkyway $(SHARE)/doc/milkyway

# The tracked files of the last commit.
DIST := milkyway-$(VERSION)
dist:
	$(Q)mkdir -p build && git archive --format=tar.gz --prefix=$(DIST)/ \
	    -o build/$(DIST).tar.gz HEAD && echo build/$(DIST).tar.gz

# docs/cli.md from the help texts.
cli-doc: $(O)/milkyway
	$(Q)sh .ci/gen-cli-doc.sh $< >docs/cli.md

clean:
	rm -rf build

-include tests/bench.mk
-include tests/sim.mk
-include tests/openstack/openstack.mk
.PHONY: component fuzz-build fuzz-short check demo demo-18 agent-arm64 install dist \
	cli-doc clean
