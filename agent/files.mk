PROGRAMS += milkyway-agent milkyway-ping milkyway-dblite
# notls: a static libmicrohttpd asks for GnuTLS, which does not exist as a static
# library (docs/decisions/facade.md). Not := because STATIC comes later.
agent_SRCS := $(filter-out %_main.c agent/static/%,$(wildcard agent/*.c agent/*/*.c))
milkyway-agent_SRCS    = $(agent_SRCS) $(if $(STATIC),agent/static/notls.c)
milkyway-agent_ROOMS  := common pure
milkyway-agent_STATIC := 1
milkyway-agent_LIBS   := -lmicrohttpd -levent_openssl -levent_core -lssl -lcrypto -lz -ljansson -lm
milkyway-ping_SRCS    := agent/probe/ping_main.c agent/host/confine.c
milkyway-ping_ROOMS   := pure
milkyway-ping_STATIC  := 1
milkyway-ping_LIBS    := -loping -lm
# Database load on SQLite: a program of its own, only where it is asked for.
milkyway-dblite_SRCS   := agent/bench/dblite_main.c
milkyway-dblite_ROOMS  := pure
milkyway-dblite_STATIC := 1
milkyway-dblite_LIBS   := -lsqlite3 -lm
