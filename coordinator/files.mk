PROGRAMS += milkywayd
milkywayd_SRCS  := $(wildcard coordinator/*.c coordinator/*/*.c)
milkywayd_ROOMS := placement_io placement lifecycle drivers common pure
milkywayd_LIBS  := -lmicrohttpd -linih -lcurl -lexpat -lsqlite3 -lssh2 -lz \
	-levent_openssl -levent -lssl -lcrypto -ljansson -lm
$(O)/coordinator/store/store_db.o: $(O)/gen/coordinator/store/schema.sql.h \
	$(O)/gen/coordinator/store/migrate_2.sql.h \
	$(O)/gen/coordinator/store/migrate_3.sql.h
$(O)/coordinator/remote/install_run.o: $(O)/gen/coordinator/remote/install.sh.h \
	$(O)/gen/coordinator/remote/uninstall.sh.h
$(O)/coordinator/remote/exec.o: $(O)/gen/coordinator/remote/exec.sh.h
$(O)/coordinator/remote/tools_run.o: $(O)/gen/coordinator/remote/tools.sh.h
$(O)/coordinator/api/api_sys.o: $(O)/gen/docs/openapi.yaml.h
