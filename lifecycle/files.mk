lifecycle_LIB := $(wildcard lifecycle/*.c)
