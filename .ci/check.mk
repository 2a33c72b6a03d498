# Targets that check the project. Included by the Makefile.
TESTS_UNIT := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
TESTS_PROP := $(patsubst %.c,$(O)/%,$(wildcard tests/prop/prop_*.c))
FUZZERS    := $(patsubst %.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_LIBS  := -lcmocka -lmicrohttpd -linih -lcurl -lsqlite3 -lssh2 -lz \
	-levent_openssl -levent -lssl -lcrypto -ljansson -lm
TEST_ARCHIVES := drivers placement_io placement lifecycle common pure

# A test that needs files of a program's room names them in tests/tests.mk:
# tests/unit/test_x_SRCS := agent/sysbench.c
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

.PHONY: deps deps-note layers purity gates headers format format-check unit

component: all
	$(Q)bash tests/lib/component.sh $(O) $(wildcard tests/component/*.sh)

fuzz-short: $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
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

DESTDIR ?=
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system \
	    $(DESTDIR)$(PREFIX)/share/milkyway $(DESTDIR)$(PREFIX)/share/doc/milkyway
	install -m 755 $(addprefix $(O)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 packaging/milkywayd.service $(DESTDIR)$(PREFIX)/lib/systemd/system
	cp -R bench-data $(DESTDIR)$(PREFIX)/share/milkyway/
	install -m 644 README.md LICENSE CHANGELOG.md docs/*.md $(DESTDIR)$(PREFIX)/share/doc/milkyway

clean:
	rm -rf build

-include tests/bench.mk
.PHONY: component fuzz-short check demo demo-18 install clean
