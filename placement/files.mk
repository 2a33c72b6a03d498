placement_LIB    := $(wildcard placement/*.c)
placement_io_LIB := $(wildcard placement/io/*.c)
