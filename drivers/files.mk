drivers_LIB := $(wildcard drivers/*.c)
