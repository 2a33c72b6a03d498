PROGRAMS += milkyway-agent milkyway-ping milkyway-dblite
# notls: a static libmicrohttpd asks for GnuTLS, which does not exist as a static
# library (docs/decisions/facade.md). Not := because STATIC comes later.
milkyway-agent_SRCS    = $(filter-out agent/ping_main.c agent/dblite_main.c,$(wildcard agent/*.c)) \
	$(if $(STATIC),agent/static/notls.c)
milkyway-agent_ROOMS  := common pure
milkyway-agent_STATIC := 1
milkyway-agent_LIBS   := -lmicrohttpd -levent_openssl -levent_core -lssl -lcrypto -lz -ljansson -lm
milkyway-ping_SRCS    := agent/ping_main.c agent/confine.c
milkyway-ping_ROOMS   := pure
milkyway-ping_STATIC  := 1
milkyway-ping_LIBS    := -loping -lm
# Database load on SQLite: a program of its own, only where it is asked for.
milkyway-dblite_SRCS   := agent/dblite_main.c
milkyway-dblite_ROOMS  := pure
milkyway-dblite_STATIC := 1
milkyway-dblite_LIBS   := -lsqlite3 -lm
