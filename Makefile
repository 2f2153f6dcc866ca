# Reeve: build, run, test.  `make help` lists the targets.
# Everything is built below $(B); nothing is written into the source folders.

B        ?= build
CC       ?= gcc
SAN      ?=
OPT      ?= -O2 -g
WARN      = -Wall -Wextra -Wshadow -Wswitch-enum -Wmissing-prototypes \
            -Wwrite-strings -Wvla -Wno-format-truncation
PKGS      = libczmq libzmq libprotobuf-c libcurl libmicrohttpd jansson \
            yaml-0.1 libcrypto
CFLAGS   ?= $(OPT)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(SAN) -I. -I$(B)/gen \
            -MMD -MP $(PKG_CFLAGS)
LDLIBS    = $(PKG_LIBS) -lhiredis -Wl,--push-state,--as-needed -lzookeeper_mt \
            -lssl -lpcre2-8 -Wl,--pop-state -lpthread -lm
# Long-lived programs use jemalloc where it is there: a fifth less CPU time, and
# less memory.  Not with sanitizers, which have their own.
JEMALLOC  = $(if $(SAN),,$(if $(wildcard /usr/lib/libjemalloc.so.2 \
            /usr/lib/*/libjemalloc.so.2),-l:libjemalloc.so.2))
# Asked only when something is built, so that `make deps` works without them.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

JOBS     ?= $(shell nproc)
ASAN      = -fsanitize=address,undefined -fno-omit-frame-pointer \
            -fno-sanitize-recover=undefined

LIBS      = base loop bus wire mesos http httpd spec service
SERVICES  = state-store offer-broker planner api-gateway
BINS      = $(SERVICES:%=$(B)/bin/reeve-%) $(B)/bin/reeve \
            $(B)/bin/reeve-devcluster

all: $(BINS) $(B)/bin/bootstrap.tgz ## build all programs into build/bin/
.PHONY: all

deps: ## install the Debian packages needed
	tools/deps.sh
.PHONY: deps
# Installs only when something is missing; says what.
have-deps:
	@tools/deps.sh --check >/dev/null || tools/deps.sh
.PHONY: have-deps

# The sub-make: packages may have appeared since this one read the Makefile.
run: have-deps ## the main job: deploy examples/data-store on a devcluster
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(B)/bin/reeve up examples/data-store/svc.yml
.PHONY: run

test: have-deps ## all tests of the main path; ends with "N passed, N failed"
	@$(MAKE) --no-print-directory -j$(JOBS) all test-programs
	@B=$(B) tests/run
.PHONY: test

asan: have-deps ## the same tests, built with ASan and UBSan
	@$(MAKE) --no-print-directory -j$(JOBS) B=build-asan SAN="$(ASAN)" \
	  OPT="-O1 -g" all test-programs
	@B=build-asan tests/run --slow 3
.PHONY: asan
.DELETE_ON_ERROR:
.SECONDARY:

chaos: have-deps ## kill -9 of every process at random moments: SEED=n ROUNDS=50
	@$(MAKE) --no-print-directory -j$(JOBS) all test-programs
	@B=$(B) REEVE_SEED=$(SEED) REEVE_ROUNDS=$(or $(ROUNDS),50) \
	  tests/run --slow 5 --verbose 0005-control
.PHONY: chaos

lint: ## what can be seen without compiling
	@tools/check-source
.PHONY: lint

PREFIX   ?= /usr/local
install: all ## install the programs below PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BINS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(B)/bin/bootstrap.tgz $(DESTDIR)$(PREFIX)/bin
.PHONY: install

# --- proto -----------------------------------------------------------------
PROTOS    = $(wildcard proto/*.proto proto/mesos/v1/*.proto)
GEN_C     = $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
GEN_H     = $(PROTOS:%.proto=$(B)/gen/%.pb-c.h)
GEN_O     = $(GEN_C:%.c=%.o)

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: %.proto
	@mkdir -p $(B)/gen
	@echo "PROTO $<"
	@protoc-c --c_out=$(B)/gen -I. $<
$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c | $(GEN_H)
	@echo "CC $<"
	@$(CC) $(ALL_CFLAGS) -w -c $< -o $@
$(B)/lib/libproto.a: $(GEN_O)
	@mkdir -p $(@D)
	@rm -f $@ && $(AR) rcs $@ $^
gen: $(GEN_H) ## generate the protobuf code
.PHONY: gen

# Messages in tests are filled with literals.
$(B)/obj/tests/%.o: WARN += -Wno-write-strings -Wno-missing-prototypes

# --- objects and archives ----------------------------------------------------
$(B)/obj/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	@echo "CC $<"
	@$(CC) $(ALL_CFLAGS) -c $< -o $@

# archive NAME FOLDER: every .c of the folder but main.c
define archive
$(B)/lib/lib$(1).a: $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(2)/main.c,$(wildcard $(2)/*.c)))
	@mkdir -p $$(@D)
	@rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach l,$(LIBS),$(eval $(call archive,$(l),lib/$(l))))
$(foreach s,$(SERVICES),$(eval $(call archive,$(s),services/$(s))))
$(eval $(call archive,cli,cli))
$(eval $(call archive,devcluster,devcluster))
$(eval $(call archive,bootstrap,bootstrap))

lib_a = $(foreach l,$(1) proto,$(B)/lib/lib$(l).a)
link  = @mkdir -p $(@D); echo "LINK $@"; \
        $(CC) $(CFLAGS) $(SAN) -o $@ $(filter %.o,$^) -Wl,--start-group \
        $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

CORE_LIBS = base loop bus wire service
LIBS_state-store  = $(CORE_LIBS)
LIBS_offer-broker = $(CORE_LIBS) mesos http spec
LIBS_planner      = $(CORE_LIBS) mesos spec
LIBS_api-gateway  = $(CORE_LIBS) mesos httpd spec
LIBS_cli          = $(CORE_LIBS) mesos http spec
LIBS_devcluster   = $(CORE_LIBS) mesos http httpd

define service_bin
$(B)/bin/reeve-$(1): $(B)/obj/services/$(1)/main.o $(B)/lib/lib$(1).a $(call lib_a,$(LIBS_$(1)))
	$$(link)
endef
$(foreach s,$(SERVICES),$(eval $(call service_bin,$(s))))
$(B)/bin/reeve: $(B)/obj/cli/main.o $(B)/lib/libcli.a $(call lib_a,$(LIBS_cli))
	$(link)
$(B)/bin/reeve-devcluster: $(B)/obj/devcluster/main.o $(B)/lib/libdevcluster.a $(call lib_a,$(LIBS_devcluster))
	$(link)
$(SERVICES:%=$(B)/bin/reeve-%) $(B)/bin/reeve-devcluster: LDLIBS += $(JEMALLOC)
# Fetched into sandboxes: it may need nothing but the C library.
$(B)/bootstrap/bootstrap: LDLIBS = -lm
$(B)/bootstrap/bootstrap: $(B)/obj/bootstrap/main.o $(B)/lib/libbootstrap.a $(call lib_a,spec base)
	$(link)
$(B)/bin/bootstrap.tgz: $(B)/bootstrap/bootstrap
	@mkdir -p $(@D); tar -czf $@ -C $(<D) bootstrap

# --- unit tests: one Criterion program per folder of tests/unit ---------------
UNITS     = $(notdir $(patsubst %/,%,$(dir $(wildcard tests/unit/*/*.c))))
UNITS    := $(sort $(UNITS))
UNIT_BINS = $(UNITS:%=$(B)/tests/unit-%)
# What a test folder links: its own part and the libraries.
UNIT_OWN  = $(filter $(SERVICES) cli devcluster bootstrap,$(1))
define unit_bin
$(B)/tests/unit-$(1): $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/unit/$(1)/*.c)) $(foreach o,$(call UNIT_OWN,$(1)),$(B)/lib/lib$(o).a) $(call lib_a,$(sort $(if $(LIBS_$(1)),$(LIBS_$(1)),base $(if $(filter $(LIBS),$(1)),$(1)) $(UNIT_LIBS_$(1)))))
	@mkdir -p $$(@D); echo "LINK $$@"; \
	$(CC) $(CFLAGS) $(SAN) -o $$@ $$(filter %.o,$$^) -Wl,--start-group \
	$$(filter %.a,$$^) -Wl,--end-group $$(LDLIBS) -lcriterion
endef
UNIT_LIBS_loop    =
UNIT_LIBS_bus     = loop wire
UNIT_LIBS_wire    = mesos http
UNIT_LIBS_http    = loop httpd
UNIT_LIBS_httpd   = loop http
UNIT_LIBS_mesos   = wire http
UNIT_LIBS_spec    = wire mesos
UNIT_LIBS_service = loop bus wire
$(foreach u,$(UNITS),$(eval $(call unit_bin,$(u))))

# make unit-planner: build and run one folder's tests
unit-%: $(B)/tests/unit-%
	$<
unit: $(UNIT_BINS) ## build and run all unit tests
	@for t in $^; do $$t || exit 1; done
.PHONY: unit

# Small programs that system tests use: tests/lib/<name>.c
TEST_TOOLS = $(patsubst tests/lib/%.c,$(B)/tests/%,$(filter-out \
             tests/lib/faultfs.c,$(wildcard tests/lib/*.c))) $(B)/tests/faultfs.so
# For LD_PRELOAD: a disk that fails.
$(B)/tests/faultfs.so: tests/lib/faultfs.c
	@mkdir -p $(@D); echo "LINK $@"; \
	$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl
$(B)/tests/%: $(B)/obj/tests/lib/%.o $(call lib_a,$(CORE_LIBS) mesos)
	$(link)
test-programs: $(UNIT_BINS) $(TEST_TOOLS) $(B)/tests/subscriber
# The example is built as a third party would.
$(B)/tests/subscriber: $(wildcard examples/subscriber/*) proto/bus.proto proto/store.proto
	@mkdir -p $(@D); echo "MAKE examples/subscriber"
	@$(MAKE) -s -C examples/subscriber \
	  OUT=$(if $(filter /%,$(B)),,../../)$(B)/subscriber
	@cp $(B)/subscriber/subscriber $@
.PHONY: test-programs

# --- fuzz: make fuzz T=wire_decode [FUZZ_S=60] --------------------------------
FUZZ_S   ?= 60
FUZZ_ALL  = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FB        = $(B)-fuzz
fuzz: ## run one fuzz target with clang's libFuzzer: make fuzz T=…
	@test -n "$(T)" || { echo "make fuzz T=<one of: $(FUZZ_ALL)>"; exit 2; }
	@command -v clang >/dev/null || { echo "fuzz needs clang"; exit 1; }
	@$(MAKE) --no-print-directory -j$(JOBS) B=$(FB) CC=clang OPT="-O1 -g" \
	  SAN="-fsanitize=address,undefined,fuzzer-no-link" $(FB)/fuzz/$(T)
	@mkdir -p $(FB)/corpus/$(T) tests/fuzz/corpus/$(T)
	$(FB)/fuzz/$(T) -max_total_time=$(FUZZ_S) -rss_limit_mb=2048 \
	  $(FB)/corpus/$(T) tests/fuzz/corpus/$(T)
.PHONY: fuzz
FUZZ_LIBS = base loop bus wire mesos http httpd spec service
$(B)/fuzz/%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/lib/libstate-store.a \
             $(B)/lib/liboffer-broker.a $(B)/lib/libdevcluster.a \
             $(call lib_a,$(FUZZ_LIBS))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SAN) -fsanitize=fuzzer -o $@ $(filter %.o,$^) \
	  -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)
# Without a fuzzer: each target once over its corpus, part of `make test`.
FUZZ_REPLAYS = $(FUZZ_ALL:%=$(B)/tests/fuzz-%)
$(B)/tests/fuzz-%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/replay.o \
             $(B)/lib/libstate-store.a \
             $(B)/lib/liboffer-broker.a $(B)/lib/libdevcluster.a \
             $(call lib_a,$(FUZZ_LIBS))
	$(link)
test-programs: $(FUZZ_REPLAYS)

# --- bench: side by side with others, into docs/benchmarks.md --------------------
# zk_bench is built only where ZooKeeper's C client is.
BENCHES   = store disk redis etcd match $(if $(wildcard /usr/include/zookeeper/zookeeper.h),zk)
BENCH_BINS = $(BENCHES:%=$(B)/tests/bench/%_bench)
$(B)/tests/bench/zk_bench: LDLIBS += -lzookeeper_mt
$(B)/tests/bench/store_bench: $(B)/obj/tests/bench/zmtp.o
$(B)/tests/bench/match_bench: $(B)/lib/liboffer-broker.a $(call lib_a,$(LIBS_offer-broker))
$(B)/tests/bench/match_bench: LDLIBS += $(JEMALLOC)
$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(B)/obj/tests/bench/meter.o \
             $(call lib_a,$(CORE_LIBS))
	$(link)
bench-programs: $(BENCH_BINS)
.PHONY: bench-programs
bench: have-deps ## how fast the store is, beside others: ROUNDS=3 BENCH_S=1
	@$(MAKE) --no-print-directory -j$(JOBS) all bench-programs
	@B=$(B) tests/bench/run --rounds $(or $(ROUNDS),3) --seconds $(or $(BENCH_S),1)
.PHONY: bench
bench-deps: have-deps ## install etcd and ZooKeeper to compare with
	@tools/deps.sh --bench
.PHONY: bench-deps

help: ## list the targets
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | \
	  sed -E 's/:[^#]*## /\t/' | expand -t 16
.PHONY: help

clean: ## remove build/
	rm -rf $(B)
.PHONY: clean

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
