drivers_LIB := $(wildcard drivers/*.c drivers/sign/*.c)
