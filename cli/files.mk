PROGRAMS += milkyway
milkyway_SRCS  := $(wildcard cli/*.c)
milkyway_ROOMS := placement_io placement lifecycle drivers common pure
milkyway_LIBS  := -lcurl -lexpat -levent -lssl -lcrypto -lz -ljansson -lm
$(O)/cli/report.o: $(O)/gen/cli/report.css.h
