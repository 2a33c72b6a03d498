drivers_LIB := $(wildcard drivers/*.c drivers/*/*.c)
