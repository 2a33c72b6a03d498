# twin/init_*.c is PID 1 of a VM: a small static program of its own.
PROGRAMS += milkyway-twin milkyway-twin-init
milkyway-twin_SRCS  := $(filter-out $(wildcard twin/init_*.c),$(wildcard twin/*.c))
milkyway-twin_ROOMS := common pure
milkyway-twin_LIBS  := -lmicrohttpd -linih -lcurl -lexpat -levent_openssl -levent -lssl \
	-lcrypto -ljansson -lm
milkyway-twin-init_SRCS   := $(wildcard twin/init_*.c)
milkyway-twin-init_ROOMS  := pure
milkyway-twin-init_LIBS   := -lm
milkyway-twin-init_STATIC := 1
# Texts that a program carries must exist before its first object.
$(O)/twin/replay.o: $(O)/gen/twin/replay_sysbench.sh.h
