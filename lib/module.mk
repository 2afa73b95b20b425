ARCHIVES += shuntbase
shuntbase_SRCS := $(wildcard lib/*.c)
shuntbase_PKGS := jansson
