# qwen_classify: a PostgreSQL extension, built with PGXS.
#
#   make && sudo make install          for the pg_config on the PATH
#   make PG_CONFIG=/path/to/pg_config  for another server
#   make WERROR=1                      every warning is an error (test/run, CI)
#   make with_llvm=no                  without bitcode
#
# test/run does it all on a fresh machine.

EXTENSION = qwen_classify
EXTVERSION = 0.1.0
MODULE_big = qwen_classify

# sql/qwen_classify.sql is the truth; the versioned copy is built.
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql
EXTRA_CLEAN = $(DATA_built)

srcdir = .

COMMON = $(wildcard $(srcdir)/src/common/*.c)
PROMPT = $(wildcard $(srcdir)/src/prompt/*.c)
NET = $(wildcard $(srcdir)/src/net/*.c)
QUERY = $(wildcard $(srcdir)/src/query/*.c)
TASK = $(wildcard $(srcdir)/src/task/*.c)
QUEUE = $(wildcard $(srcdir)/src/queue/*.c)
WORKER = $(wildcard $(srcdir)/src/worker/*.c)
TRUST = $(wildcard $(srcdir)/src/trust/*.c $(srcdir)/src/trust/stats/*.c)

OBJS = $(patsubst $(srcdir)/%.c,%.o,$(srcdir)/src/qwen_classify.c \
	$(COMMON) $(PROMPT) $(NET) $(TASK) $(QUERY) $(QUEUE) $(WORKER) $(TRUST))

# SQL behaviour that needs no inference server; the rest is in test/.
REGRESS = install option function label clean error task attach review
ISOLATION = prefetch_epq
REGRESS_OPTS = --inputdir=$(srcdir)
ISOLATION_OPTS = --inputdir=$(srcdir)/test

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config
LIBRARIES = libcurl libcjson libutf8proc libxml-2.0

PG_CPPFLAGS = -I$(srcdir)/src -DQC_VERSION='"$(EXTVERSION)"' \
	$(shell $(PKG_CONFIG) --cflags $(LIBRARIES))
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs $(LIBRARIES))

# PostgreSQL's headers are not ours to mend: as system headers they are quiet.
ifdef WERROR
PG_CFLAGS = -Wall -Wextra -Werror
PG_CPPFLAGS += -isystem $(shell $(PG_CONFIG) --includedir-server)
endif

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Nobody replaces our functions: calls among them are direct, and may be inlined.
ifeq ($(PORTNAME), linux)
override CFLAGS += -fno-semantic-interposition
SHLIB_LINK += -Wl,-Bsymbolic-functions
endif

$(OBJS): $(wildcard $(srcdir)/src/*/*.h $(srcdir)/src/*/*/*.h $(srcdir)/src/*/*.inc)

$(DATA_built): sql/$(EXTENSION).sql
	cp $< $@
