PROGRAMS += milkyway
milkyway_SRCS  := $(wildcard cli/*.c)
milkyway_ROOMS := placement_io placement common pure
milkyway_LIBS  := -lcurl -levent -lssl -lcrypto -lz -ljansson -lm
$(O)/cli/report.o: $(O)/gen/cli/report.css.h
