# GridWitness: one non-recursive build. `make help` lists the targets.
#
# Flavours live side by side in build/<flavour>/: the default one, and one per SANITIZE value. Sources are globbed; a file
# belongs to a library by its folder and to a program when it is called main.c.

VERSION   := 1.0.0
SANITIZE  ?=
V         ?= 0
CC        ?= cc
PREFIX    ?= /usr/local
DESTDIR   ?=
CFLAGS    ?= -O2 -g
WERROR    ?= $(if $(CI),1,0)

comma     := ,
FLAVOUR   := $(if $(SANITIZE),san-$(subst $(comma),-,$(SANITIZE)),default)
B         := build/$(FLAVOUR)
BIN       := $(if $(SANITIZE),$(B)/bin,bin)
PKGS      := libmodbus libcurl jansson openssl libmicrohttpd sqlite3
Q         := $(if $(filter 1,$(V)),,@)

WARN      := -std=c11 -Wall -Wextra -Wconversion -Wshadow -Wswitch-enum -Wvla -Wstrict-prototypes -Wmissing-prototypes
HARDEN    := -fPIE -fstack-protector-strong $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SAN       := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CPPFLAGS  += -D_GNU_SOURCE -Iinclude -I. $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
ALLCFLAGS := $(WARN) $(if $(filter 1,$(WERROR)),-Werror) $(HARDEN) $(SAN) $(CFLAGS)
LDFLAGS   += -pie -Wl,-z,relro,-z,now $(SAN) -pthread
LDLIBS    += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm

lib_src    = $(filter-out %/main.c,$(wildcard $(addsuffix /*.c,$(1))))
objs       = $(patsubst %.c,$(B)/%.o,$(1))

COMMON    := $(call lib_src,common)
LEDGER    := $(call lib_src,ledger ledger/core)
GATEWAY   := $(call lib_src,gateway gateway/core)
EMULATOR  := $(call lib_src,relay-emulator relay-emulator/core)
TESTLIB   := $(wildcard tests/lib/*.c)
UNIT      := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
BENCHES   := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
FUZZERS   := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
HELPERS   := $(patsubst tests/integration/%.c,%,$(wildcard tests/integration/*.c))

LIBS      := $(B)/libgateway.a $(B)/libemulator.a $(B)/libledger.a $(B)/libcommon.a
PROGRAMS  := $(if $(wildcard relay-emulator/main.c),$(BIN)/relay-emulator) $(if $(wildcard gateway/main.c),$(BIN)/gateway) \
             $(if $(wildcard ledger/main.c),$(BIN)/ledger)

.PHONY: all
all: $(PROGRAMS)

.SUFFIXES:
.DELETE_ON_ERROR:

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(CPPFLAGS) $(ALLCFLAGS) -MMD -MP -c -o $@ $<

define archive
	@mkdir -p $(@D)
	@rm -f $@
	$(if $(Q),@echo "  AR      $@")
	$(Q)ar rcs $@ $^
endef
define link
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(filter %.a,$^) $(LDLIBS) $(1)
endef

$(B)/libcommon.a: $(call objs,$(COMMON))
	$(archive)
$(B)/libledger.a: $(call objs,$(LEDGER))
	$(archive)
$(B)/libgateway.a: $(call objs,$(GATEWAY))
	$(archive)
$(B)/libemulator.a: $(call objs,$(EMULATOR))
	$(archive)
$(B)/libtest.a: $(call objs,$(TESTLIB))
	$(archive)

$(BIN)/relay-emulator: $(B)/relay-emulator/main.o $(B)/libemulator.a $(B)/libcommon.a
	$(call link)
$(BIN)/gateway: $(B)/gateway/main.o $(B)/libgateway.a $(B)/libledger.a $(B)/libcommon.a
	$(call link)
$(BIN)/ledger: $(B)/ledger/main.o $(B)/libledger.a $(B)/libcommon.a
	$(call link)

$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $(B)/libtest.a $(LIBS)
	$(call link,-lcmocka)
$(B)/tests/bench/bench_%: $(B)/tests/bench/bench_%.o $(B)/libtest.a $(LIBS)
	$(call link)
$(B)/tests/integration/%: $(B)/tests/integration/%.o $(B)/libtest.a $(LIBS)
	$(call link)
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/libtest.a $(LIBS)
	$(call link)

.PHONY: unit-build
unit-build: $(addprefix $(B)/tests/unit/,$(UNIT))

.PHONY: clean
clean:
	$(Q)rm -rf build bin

-include $(shell find build/$(FLAVOUR) -name '*.d' 2>/dev/null)
