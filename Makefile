# Milkyway. One non-recursive Makefile and one files.mk per room.
#
#   make              build everything into build/release
#   sudo make demo    the main job, end to end (installs what it needs)
#   sudo make check   all tests
#   make MODE=asan    release | asan | tsan | cov | fuzz, each in its own folder
#   make WERROR=1     as CI builds; V=1 shows commands; CC=clang works too
VERSION := $(shell cat VERSION)
MODE    ?= release
O       := build/$(MODE)
Q       := $(if $(V),,@)
PREFIX  ?= /usr/local
PYTHON  ?= python3

.DEFAULT_GOAL := all

ROOMS := common placement lifecycle drivers coordinator agent twin cli

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(MODE),fuzz)
CC := clang
endif

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wvla $(if $(WERROR),-Werror)
CFLAGS_release  := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
	-fstack-protector-strong -fstack-clash-protection -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
CFLAGS_tsan := -O1 -g -fsanitize=thread
CFLAGS_cov  := -O0 -g --coverage
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
CPPFLAGS += -I. -I$(O)/gen -D_GNU_SOURCE -DMW_VERSION='"$(VERSION)"' -MMD -MP
ALLCFLAGS = -std=c17 -fno-strict-aliasing -pthread $(WARN) $(CFLAGS_$(MODE)) \
	$(CFLAGS)

# Rooms that others link are one archive each; programs name the archives.
# A room's files.mk adds to PROGRAMS, and sets X_SRCS, X_ROOMS, X_LIBS,
# X_STATIC (a static file) for each program X.
PROGRAMS :=
include $(foreach r,$(ROOMS),$(r)/files.mk)
ARCHIVES := pure common placement placement_io lifecycle drivers
obj = $(patsubst %.c,$(O)/%.o,$(1))

all: $(addprefix $(O)/,$(PROGRAMS))

define archive_rule
$(O)/lib$(1).a: $(call obj,$($(1)_LIB))
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(foreach a,$(ARCHIVES),$(eval $(call archive_rule,$(a))))
archives = $(patsubst %,$(O)/lib%.a,$(1))

# A sanitizer cannot be linked into a static file: there those programs are
# dynamic, which changes nothing that the tests look at.
STATIC := $(if $(filter release cov,$(MODE)),-static $(if $(findstring clang,$(CC)),,-no-pie))
define program_rule
$(O)/$(1): $(call obj,$($(1)_SRCS)) $(call archives,$($(1)_ROOMS))
	@echo "  LINK  $$@"
	$$(Q)$$(CC) $$(ALLCFLAGS) \
	    $(if $($(1)_STATIC),$$(or $$(STATIC),$$(LDFLAGS_$(MODE))),$$(LDFLAGS_$(MODE))) \
	    $$(LDFLAGS) -o $$@ $$^ $($(1)_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

$(O)/%.o: %.c | deps-note
	@echo "  CC    $<"
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(ALLCFLAGS) -c -o $@ $<

# Text files that programs carry: path/name.ext -> gen/path/name.ext.h with
# a string constant name_ext.
$(O)/gen/%.h: % .ci/embed.sh
	$(Q)mkdir -p $(@D) && sh .ci/embed.sh $< >$@.tmp && mv $@.tmp $@

include .ci/check.mk

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.PHONY: all
