# Unit tests of the parts of net/ that need no server: TAP on standard output.
#
#   make -f test/unit/outcome.mk check

CC ?= cc
NET_UNIT_CFLAGS = -std=gnu99 -g -O1 -Wall -Wextra -Werror -Wno-missing-field-initializers \
	-fsanitize=address,undefined \
	-Isrc -Itest/unit $(shell pkg-config --cflags libcjson libcurl libutf8proc libxml-2.0)
NET_UNIT_LIBS = $(shell pkg-config --libs libcjson libutf8proc libxml-2.0) -lm
NET_UNIT_SRC = src/net/outcome.c src/net/wording.c src/net/body.c src/net/kind.c \
	src/net/cut.c src/net/template.c src/net/pace.c \
	$(wildcard src/net/kind_*.c) $(wildcard src/prompt/*.c)
NET_UNIT_OBJ = $(NET_UNIT_SRC:src/%.c=tmp_check/unit/net/%.o)
NET_UNIT_TESTS = tmp_check/unit/test_outcome tmp_check/unit/test_kind \
	tmp_check/unit/test_template tmp_check/unit/test_window

check: $(NET_UNIT_TESTS)
	set -e; for t in $(NET_UNIT_TESTS); do echo "# $$t"; $$t; done

tmp_check/unit/net/%.o: src/%.c $(wildcard src/*/*.h)
	@mkdir -p $(@D)
	$(CC) $(NET_UNIT_CFLAGS) -c -o $@ $<

tmp_check/unit/%: test/unit/%.c test/unit/tap.h $(NET_UNIT_OBJ)
	$(CC) $(NET_UNIT_CFLAGS) -o $@ $< $(NET_UNIT_OBJ) $(NET_UNIT_LIBS)

.PHONY: check
