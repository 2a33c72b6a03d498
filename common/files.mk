pure_LIB   := $(wildcard common/pure/*.c)
common_LIB := $(wildcard common/*.c)
