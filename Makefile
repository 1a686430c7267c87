# GridWitness: one non-recursive build. `make help` lists the targets.
#
# Flavours live side by side in build/<flavour>/: the default one, one per SANITIZE value, and the fuzzers'. Sources are globbed; a
# file belongs to a library by its folder and to a program when it is called main.c.
#
# Targets that people call (run, test, check, lint, bench) first install what is missing and then call make again, for
# pkg-config can only be asked once it is there.

VERSION   := 1.0.0
SANITIZE  ?=
V         ?= 0
CC        ?= cc
BLOCKS    ?= 100000
KIND      ?= minimal
OUT       ?= build/long-chain
PREFIX    ?= /usr/local
DESTDIR   ?=
CFLAGS    ?= -O2 -g
WERROR    ?= $(if $(CI),1,0)
SPEED     ?= 1
FUZZ_SECONDS ?= 30
SIM_SEEDS        ?= 1000
SIM_DAYS         ?= 200
SIM_HALVES       ?= 2000
SIM_LONG_FROM    ?= 100001
SIM_LONG_SEEDS   ?= 10000
SIM_LONG_SECONDS ?= 0
SIM_JOBS         ?= $(shell nproc)

comma     := ,
FLAVOUR   ?= $(if $(SANITIZE),san-$(subst $(comma),-,$(SANITIZE)),default)
B         := build/$(FLAVOUR)
BIN       := $(if $(filter default,$(FLAVOUR)),bin,$(B)/bin)
PKGS      := libmodbus libcurl jansson openssl libmicrohttpd sqlite3
PKGS_HERE := $(shell pkg-config --exists $(PKGS) 2>/dev/null && echo yes)
Q         := $(if $(filter 1,$(V)),,@)

WARN      := -std=c11 -Wall -Wextra -Wconversion -Wshadow -Wswitch-enum -Wvla -Wstrict-prototypes -Wmissing-prototypes
# clang counts assert(!"what is broken") as a conversion; gcc does not know the name and says nothing
WARN      += -Wno-string-conversion
HARDEN    := -fPIE -fstack-protector-strong $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SAN       := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# -UNDEBUG last: assertions guard against our own bugs and are part of every build
ALLCPP    := -D_GNU_SOURCE -Iinclude -I. $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
ALLCFLAGS := $(WARN) $(HARDEN) $(SAN) $(FUZZCFLAGS) $(CFLAGS) -UNDEBUG
ALLLD     := -pie -Wl,-z,relro,-z,now $(SAN) -pthread $(LDFLAGS)
ALLLIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm $(LDLIBS)

lib_src    = $(filter-out %/main.c,$(wildcard $(addsuffix /*.c,$(1))))
objs       = $(patsubst %.c,$(B)/%.o,$(1))

COMMON    := $(call lib_src,common)
LEDGER    := $(call lib_src,ledger ledger/core)
GATEWAY   := $(call lib_src,gateway gateway/core)
EMULATOR  := $(call lib_src,relay-emulator relay-emulator/core)
TESTLIB   := $(filter-out tests/lib/fuzz_main.c,$(wildcard tests/lib/*.c))
UNIT      := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
SIM       := $(patsubst tests/sim/%.c,%,$(wildcard tests/sim/test_*.c))
SIMLIB    := $(filter-out tests/sim/test_%.c,$(wildcard tests/sim/*.c))
BENCHES   := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
MODEL     := $(wildcard tests/model/*.c)
FUZZERS   := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
HELPERS   := $(patsubst tests/integration/%.c,%,$(wildcard tests/integration/*.c))

LIBS      := $(B)/libgateway.a $(B)/libemulator.a $(B)/libledger.a $(B)/libcommon.a
PROGRAMS  := $(if $(wildcard relay-emulator/main.c),$(BIN)/relay-emulator) $(if $(wildcard gateway/main.c),$(BIN)/gateway) \
             $(if $(wildcard ledger/main.c),$(BIN)/ledger)

# make again, with as many jobs as there are processors unless the caller has chosen
SUBMAKE    = +$(Q)$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: all
all: $(PROGRAMS)

.PHONY: help
help:
	@echo "make              build bin/relay-emulator, bin/gateway, bin/ledger"
	@echo "make run          install what is missing, build, run the demonstration; SPEED=20 for a virtual clock; Ctrl-C stops"
	@echo "make test         install what is missing, build, run every test; VALGRIND=0 without valgrind, ONLY=text for a part; see docs/testing.md"
	@echo "make model        try every move of a hostile gateway in a small model of the consensus; model-long tries more"
	@echo "make check        directions of includes, purity of cores, sizes, forbidden words; and that the checks can fail"
	@echo "make lint         formatting, shell scripts, Python; and that the lints can fail"
	@echo "make bench        measure"
	@echo "make long-chain   write a data directory with BLOCKS (100000) blocks, KIND minimal or usual, to OUT (build/long-chain)"
	@echo "make soak         kill a whole system CYCLES (1000) times by SIGKILL: nothing shown as held may be missing; twenty minutes"
	@echo "make kills        kill a process that writes a store or an outbox KILLS (100000) times by SIGKILL; some ten minutes"
	@echo "make sim          simulate networks with faults: SIM_SEEDS (1000) short runs, SIM_DAYS (200) days of 4 nodes, a tenth of that of 16"
	@echo "make sim-links    every set of cut links between 4 nodes, and SIM_HALVES (2000) partitions of 16, then healing"
	@echo "make sim-long     SIM_LONG_SEEDS (10000) weeks of 4 nodes; goes on where it was ended; SIM_LONG_SECONDS, SIM_LONG_FROM, SIM_JOBS"
	@echo "make sim-selftest seeded faults: each must be found within 200 seeds"
	@echo "make fuzz         fuzz each decoder for FUZZ_SECONDS (30)"
	@echo "make deps         install what the build, the demonstration and the tests need (Debian, Ubuntu)"
	@echo "make install      the three programs, the schemas of their files and verify-a-minute.sh under PREFIX (/usr/local), DESTDIR respected"
	@echo "make clean        remove build/ and bin/"
	@echo "Variables: SANITIZE=address,undefined or thread, WERROR=1, V=1, CC, CFLAGS, CPPFLAGS, LDFLAGS, LDLIBS"

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

# What compiled the objects: another compiler or other flags compile them again.
FLAGS_ARE := $(CC) $(ALLCPP) $(ALLCFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(FLAGS_ARE)' | cmp -s - $@ || printf '%s\n' '$(FLAGS_ARE)' >$@
.PHONY: FORCE
FORCE:

$(B)/%.o: %.c $(B)/flags
	$(if $(PKGS_HERE),,$(error pkg-config does not find all of: $(PKGS); 'make deps' installs them))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(ALLCPP) $(ALLCFLAGS) $(if $(filter 1,$(WERROR)),-Werror) -MMD -MP -c -o $@ $<

define archive
	@mkdir -p $(@D)
	@rm -f $@
	$(if $(Q),@echo "  AR      $@")
	$(Q)ar rcs $@ $^
endef
define link
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALLLD) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(filter %.a,$^) $(ALLLIBS) $(1)
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

# our own allocations lead through the test, those of libraries do not
FAULT_MEMORY_LD := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup
$(B)/tests/unit/test_store_memory: ALLLIBS += $(FAULT_MEMORY_LD)
$(B)/tests/unit/test_gw_relay_want: ALLLIBS += -Wl,--wrap=realloc
$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $(B)/libtest.a $(LIBS)
	$(call link,-lcmocka)
# what the nodes of a simulation share: tests/sim/sim_wrap.h
SIMWRAP   := sg_sha256_init sg_sha256_update sg_sha256_final sg_sha256 lg_block_decode lg_statement_decode lg_body_decode \
             lg_block_free lg_statement_free lg_body_free lg_body_check lg_offer_split lg_offer_parts_fini lg_rank_position lg_relay_has_reader \
             lg_statement_check lg_statement_check_signature lg_c0_check \
             malloc calloc realloc free
$(B)/tests/sim/test_%: $(B)/tests/sim/test_%.o $(call objs,$(SIMLIB)) $(B)/libtest.a $(LIBS)
	$(call link,-lcmocka $(addprefix -Wl$(comma)--wrap=,$(SIMWRAP)))
$(B)/tests/model/model: $(call objs,$(MODEL)) $(B)/libledger.a $(B)/libcommon.a
	$(call link)
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libtest.a $(LIBS)
	$(call link)
$(B)/tests/integration/%: $(B)/tests/integration/%.o $(B)/libtest.a $(LIBS)
	$(call link)
# FUZZLD brings libFuzzer and its main; without it a main of ours replays the corpus
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(if $(FUZZLD),,$(B)/tests/lib/fuzz_main.o) $(B)/libtest.a $(LIBS)
	$(call link,$(FUZZLD))

.PHONY: unit-build test-build bench-build fuzz-build
unit-build: $(addprefix $(B)/tests/unit/,$(UNIT)) $(addprefix $(B)/tests/sim/,$(SIM))
fuzz-build: $(addprefix $(B)/tests/fuzz/,$(FUZZERS))
bench-build: $(PROGRAMS) $(addprefix $(B)/tests/bench/,$(BENCHES))
test-build: $(PROGRAMS) unit-build fuzz-build $(B)/tests/model/model $(addprefix $(B)/tests/integration/,$(HELPERS))

.PHONY: deps run test check lint bench long-chain soak fuzz
deps:
	@.ci/deps test

run:
	@.ci/deps run
	$(SUBMAKE) all
	@exec env SPEED='$(SPEED)' GRIDWITNESS_BIN='$(BIN)' bash gateway/demo/run.sh

test:
	@.ci/deps test
	$(SUBMAKE) test-build
	@tests/run-tests '$(B)' '$(BIN)'

model model-long:
	@.ci/deps test
	$(SUBMAKE) $(B)/tests/model/model
	@'$(B)'/tests/model/model $(if $(filter model-long,$@),--long)

check:
	@.ci/deps test
	@python3 tests/lint/test_check.py
	@python3 tests/lint/check.py
	@python3 tests/lint/test_cases.py
	@python3 tests/lint/cases.py

lint:
	@.ci/deps test
	@python3 tests/lint/test_lint.py
	@python3 tests/lint/lint.py

bench:
	@.ci/deps test
	$(SUBMAKE) bench-build '$(B)/tests/sim/test_sim'
	@echo '== simulator: node-days a second of one core'
	@for n in 4 16; do '$(B)/tests/sim/test_sim' --nodes $$n $(SIM_DAY) --seeds $$((40 / n)) | head -1; done
	@for b in $(BENCHES); do echo "== $$b"; GRIDWITNESS_BIN='$(BIN)' '$(B)'/tests/bench/$$b || exit 1; done

# A data directory with a long chain: OUT/genesis.json, OUT/data
long-chain:
	@.ci/deps test
	$(SUBMAKE) $(B)/tests/bench/long_chain
	@'$(B)'/tests/bench/long_chain '$(OUT)' '$(BLOCKS)' '$(KIND)'

soak:
	@.ci/deps test
	$(SUBMAKE) all
	@GRIDWITNESS_BIN='$(BIN)' python3 tests/integration/soak_kill.py $(CYCLES)

# three tests share the lives
KILLS     ?= 100000
.PHONY: kills
kills:
	@.ci/deps test
	$(SUBMAKE) $(B)/tests/unit/test_store_kill
	@GRIDWITNESS_KILLS_STORE=$(shell expr \( $(KILLS) + 2 \) / 3) '$(B)'/tests/unit/test_store_kill

# with the healing, a day in all
SIM_DAY    = --minutes 1425
SIMULATE   = +$(Q)$(MAKE) --no-print-directory '$(B)/tests/sim/test_sim' && '$(B)/tests/sim/test_sim' --jobs $(SIM_JOBS)
.PHONY: sim sim-links sim-long sim-selftest
sim:
	@.ci/deps test
	$(SIMULATE) --seeds $(SIM_SEEDS)
	$(SIMULATE) --seeds $(SIM_DAYS) --nodes 4 $(SIM_DAY)
	$(SIMULATE) --seeds $(shell expr $(SIM_DAYS) / 10) --nodes 16 $(SIM_DAY)

sim-links:
	@.ci/deps test
	$(SIMULATE) --links
	$(SIMULATE) --halves --seeds $(SIM_HALVES)

# a week each; build/sim-long.N is how far process N has come, and the same call goes on from there
sim-long:
	@.ci/deps test
	$(SIMULATE) --from $(SIM_LONG_FROM) --seeds $(SIM_LONG_SEEDS) --nodes 4 --minutes 10065 --seconds $(SIM_LONG_SECONDS) --state build/sim-long

sim-selftest:
	@.ci/deps test
	$(SIMULATE) --seeds 200 --bug all

fuzz:
	@.ci/deps fuzz
	@tests/run-fuzz '$(FUZZ_SECONDS)' $(FUZZERS)

.PHONY: install
install: all
	install -d '$(DESTDIR)$(PREFIX)/bin'
	install -m 755 $(PROGRAMS) '$(DESTDIR)$(PREFIX)/bin'
	install -d '$(DESTDIR)$(PREFIX)/share/gridwitness/schema'
	install -m 644 docs/schema/*.json '$(DESTDIR)$(PREFIX)/share/gridwitness/schema'
	install -m 755 docs/verify-a-minute.sh '$(DESTDIR)$(PREFIX)/share/gridwitness'

.PHONY: clean
clean:
	$(Q)rm -rf build bin

-include $(shell find $(B) -name '*.d' 2>/dev/null)
