PROGRAMS += milkywayd
milkywayd_SRCS  := $(wildcard coordinator/*.c)
milkywayd_ROOMS := placement_io placement lifecycle drivers common pure
milkywayd_LIBS  := -lmicrohttpd -linih -lcurl -lsqlite3 -lssh2 -levent_openssl \
	-levent -lssl -lcrypto -ljansson -lm
$(O)/coordinator/store_db.o: $(O)/gen/coordinator/schema.sql.h
