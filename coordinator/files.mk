PROGRAMS += milkywayd
milkywayd_SRCS  := $(wildcard coordinator/*.c)
milkywayd_ROOMS := placement_io placement lifecycle drivers common pure
milkywayd_LIBS  := -lmicrohttpd -linih -lcurl -lsqlite3 -lssh2 -lz \
	-levent_openssl -levent -lssl -lcrypto -ljansson -lm
$(O)/coordinator/store_db.o: $(O)/gen/coordinator/schema.sql.h \
	$(O)/gen/coordinator/migrate_2.sql.h
$(O)/coordinator/install_run.o: $(O)/gen/coordinator/install.sh.h \
	$(O)/gen/coordinator/uninstall.sh.h
$(O)/coordinator/exec.o: $(O)/gen/coordinator/exec.sh.h
$(O)/coordinator/tools_run.o: $(O)/gen/coordinator/tools.sh.h
$(O)/coordinator/api_sys.o: $(O)/gen/docs/openapi.yaml.h
