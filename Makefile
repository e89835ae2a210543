# adit - one flat Makefile. Everything it makes is under $(BUILD); third-party builds are in $ADIT_CACHE.
#
#   make                    build/adit: static musl PIE, stripped (symbols: build/adit.debug), hardened
#   make DAEMON=0           the same without the daemon, its verbs, and the two libraries that they need; what else is
#                           compiled is shared with the whole one: going to and fro costs a link
#   make WITH_RSA=0 | WITH_ZLIB=0
#                           without RSA keys, without compression, in a folder of its own: build-norsa/adit, build-nozlib/adit,
#                           build-norsa-nozlib/adit; `adit -Q features` tells what there is
#   make CC=clang           the same by clang
#   make SAN=address,undefined | SAN=thread
#                           build/asan/adit or build/tsan/adit, against glibc (other SAN values: build/san-...)
#   make demo               a tour that needs nothing but this folder
#   make check              everything below up to check-e2e, and check-bench; installs the test peers first.
#                           VECTORS=DIR adds the full test vectors. Ends with the runners' counts
#   make check-quick        under two minutes: layers, units, corpus, the e2e tests marked quick
#   make check-unit         every unit test under ASan and UBSan
#   make check-valgrind     every unit test under valgrind
#   make check-tsan         the tests of what has threads, under TSan
#   make check-corpus       the fuzz corpora through their targets, under ASan and UBSan, without clang
#   make check-clang        everything compiled by clang with -Werror
#   make check-e2e          pytest against real servers (E2E="-k socks" goes to pytest)
#   make check-hostile      hostile peers, by tables: tests/hostile, against build/adit and build/asan/adit
#                           (HOSTILE="-k strict -v" goes to the runner)
#   make check-faults-short calls that fail one at a time, the short list; a part of `make check`
#   make check-faults       the same with every call that every scenario makes: some six minutes
#                           (FAULTS="-k daemon -v" goes to the runner)
#   make hostile-table      the same cases with ssh and dbclient too; writes doc/hostile-peers.md
#   make check-differential made-up questions for adit and for OpenSSH's programs, whose answers must agree, in half a minute
#   make differential N=50 SEED=x
#                           the same N times as long, with other questions (TOPICS="configs keyfiles": those only)
#   make check-vectors VECTORS=DIR
#   make check-arch         units as s390x and 32-bit ARM programs under qemu-user; ARCH=triplet for one of them
#   make coverage           what the corpora reach of ssh/, socks5/ and every parser: doc/fuzz-coverage.md; fails below 90 %
#   make fuzz T=60          libFuzzer, each target T seconds (F="wire packet": those only); new finds: build/fuzz/
#   make bench              every figure beside OpenSSH's ssh, dbclient and plain relays, in one run of half an hour on
#                           an idle machine (BENCH="--only download" goes to bench/run.py); JSON: build/bench.json
#   make bench-quick        the same in a minute, for a first look: build/bench-quick.json
#   make check-bench        bench-quick produces every figure (not: how fast)
#   make timing             does the time of our own primitives depend on secrets? (TIMING_WORDS="--seconds 60 sntrup")
#   make soak               the client and the daemon under churn for MINUTES=20: memory, descriptors, threads; fails when
#                           any of them grows; graphs: build/soak/
#   make lint               clang-format, clang-tidy, cppcheck, the law of layers, no include cycles, doc/conformance.md, a fuzz
#                           target for every parser
#   make install DESTDIR= PREFIX=/usr/local
#   make clean
# V=1 shows the commands.
#
# One test while other files are half written:  make run-test_wire PARTS="crypto ssh/wire.c" BUILD=/tmp/mine
#   PARTS  the folders and files that are compiled besides adit.c (default: all); a test links with these
#   BUILD  the output folder (default: build). Give each concurrent make its own
# A program of a configuration has its own target: build/<unit|asan|tsan|clang|triplet>/tests/test_<file>.
#
# A source is found by its place: *.c of the folders in FOLDERS; tests/test_*.c is a unit test (cmocka, one
# program each); tests/vectors_*.c takes a folder of vectors; other tests/*.c are linked into every test;
# fuzz/fuzz_<name>.c is a fuzz target with the seeds fuzz/corpus/<name>/, other fuzz/*.c are linked into every
# target.

CC      = gcc
WITH_RSA  ?= 1
WITH_ZLIB ?= 1
# What has less has its folder.
BUILD   ?= build$(if $(filter 0,$(WITH_RSA)),-norsa)$(if $(filter 0,$(WITH_ZLIB)),-nozlib)
PREFIX  ?= /usr/local
T       ?= 60
PYTHON  ?= /usr/bin/python3
export ADIT_CACHE ?= $(HOME)/.cache/adit

FOLDERS := crypto ssh socks5 net forward client daemon cli
PARTS   ?= $(FOLDERS)
DAEMON  ?= 1
CROSS   := s390x-linux-gnu arm-linux-gnueabihf
TSAN_TESTS := test_mailbox test_loop test_resolve test_child test_thread test_session test_survive test_access test_link test_connection \
	test_forward_letter test_confine

Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $1')

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all deps clean install demo lint layers FORCE peers npm-packages fuzz check check-quick check-unit check-valgrind \
	check-tsan check-corpus check-clang check-e2e check-vectors check-arch check-hostile hostile-table soak
comma := ,

ifeq ($(filter 0 1,$(DAEMON)),)
$(error DAEMON is 0 or 1)
endif
ifneq ($(words $(filter 0 1,$(WITH_RSA) $(WITH_ZLIB))),2)
$(error WITH_RSA and WITH_ZLIB are 0 or 1)
endif
# What differs between the two has its own name, and so never mixes.
LESS := $(if $(filter 0,$(DAEMON)),-nodaemon)

HOST := $(shell $(CC) -dumpmachine 2>/dev/null)
# These install what is missing by themselves.
ifeq ($(HOST)$(if $(filter-out check demo peers clean,$(or $(MAKECMDGOALS),all)),,later),)
$(error no C compiler '$(CC)': run  apt-get install gcc libc6-dev)
endif
# clang says x86_64-pc-linux-gnu where Debian's folders say x86_64-linux-gnu.
HOST := $(subst -pc-,-,$(HOST))
MUSL := $(HOST:-gnu=-musl)

# ---- sources ------------------------------------------------------------------------------------------

# Only with DAEMON=1. Of all files cli/main.c alone sees the macro ADIT_DAEMON (0 or 1).
WITH_DAEMON := $(wildcard daemon/*.c cli/verb*.c cli/http*.c cli/sse.c)
SRC     := adit.c $(sort $(foreach p,$(PARTS),$(if $(filter %.c,$p),$p,$(wildcard $p/*.c))))
TESTS   := $(basename $(notdir $(wildcard tests/test_*.c)))
VECTOR_RUNS := $(basename $(notdir $(wildcard tests/vectors_*.c)))
TEST_LIB_SRC := $(filter-out tests/test_%.c tests/vectors_%.c,$(wildcard tests/*.c))
FUZZERS := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))
# One of each pair.
SRC     := $(filter-out $(if $(filter 0,$(WITH_RSA)),crypto/sign_rsa.c,crypto/sign_rsa_none.c) \
	$(if $(filter 0,$(WITH_ZLIB)),ssh/compress.c daemon/packed.c,ssh/compress_none.c daemon/packed_none.c),$(SRC))
ifneq ($(LESS),)
SRC     := $(filter-out $(WITH_DAEMON),$(SRC))
# And the tests that speak of them.
OF_DAEMON := $(basename $(notdir $(shell grep -lE '"(\.\./)?(daemon/|cli/verb|cli/http|cli/sse)' tests/test_*.c fuzz/fuzz_*.c)))
TESTS   := $(filter-out $(OF_DAEMON),$(TESTS))
FUZZERS := $(filter-out $(OF_DAEMON:fuzz_%=%),$(FUZZERS))
override VECTORS :=
endif
LIB_SRC := $(filter-out cli/main.c,$(SRC))
# Functions of the C library that a test has fail: tests/no_memory.h's, or its own.
$(foreach t,$(basename $(notdir $(shell grep -l '"tests/no_memory\.h"' tests/test_*.c))),$(eval $t.wraps := malloc calloc realloc))
test_link.wraps := calloc poll
test_forward_letter.wraps := getsockname
test_conf.wraps += open
test_files.wraps := poll
FUZZ_LIB_SRC := $(filter-out fuzz/fuzz_%.c fuzz/replay.c,$(wildcard fuzz/*.c))

# ---- flags --------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
BASE := -std=gnu11 -g -I. -Wa,-I$(BUILD) $(WARN) -MMD -MP
BASE += $(if $(filter 0,$(WITH_RSA)),-DADIT_WITH_RSA=0) $(if $(filter 0,$(WITH_ZLIB)),-DADIT_WITH_ZLIB=0)
HARD := -fPIE -fstack-protector-strong -fno-common -ffunction-sections -fdata-sections
IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
# clang 14 has zero-initialisation of locals only behind a switch that says it will go away.
HARD += -ftrivial-auto-var-init=$(if $(IS_CLANG),pattern,zero)

# Nothing unwinds at run time; a debugger finds its tables in build/adit.debug.
HARD += -fno-asynchronous-unwind-tables -fno-unwind-tables

# The release is compiled against musl's headers by naming them: musl-gcc wraps gcc alone and hides the
# kernel's headers. $(BUILD)/linux-headers shows these, and nothing else of glibc's.
CC_INCLUDE  := $(if $(IS_CLANG),$(shell $(CC) -print-resource-dir 2>/dev/null)/include,$(shell $(CC) -print-file-name=include 2>/dev/null))
MUSL_CFLAGS := -nostdinc -isystem /usr/include/$(MUSL) -isystem $(CC_INCLUDE) -isystem $(BUILD)/linux-headers
# And linked by name: musl-gcc's specs know no static PIE.
MUSL_LIB    := /usr/lib/$(MUSL)
gcc_file     = $(shell $(CC) -print-file-name=$1)
MUSL_START   = $(MUSL_LIB)/rcrt1.o $(MUSL_LIB)/crti.o $(call gcc_file,crtbeginS.o)
MUSL_END     = -Wl,--start-group $(MUSL_LIB)/libc.a $(call gcc_file,libgcc.a) -Wl,--end-group \
	$(call gcc_file,crtendS.o) $(MUSL_LIB)/crtn.o
MUSL_LDFLAGS := -nostdlib -nostartfiles -static -Wl,-pie,--no-dynamic-linker,-z,text,-z,relro,-z,now \
	-Wl,-z,noexecstack,-z,separate-code,--gc-sections,--build-id=sha1,--fatal-warnings

TEST_CFLAGS := -O1 -fno-omit-frame-pointer
SAN_CFLAGS  := $(TEST_CFLAGS) -fno-sanitize-recover=all
FUZZ_CC     ?= clang

# ---- configurations: one line each, then the rules of one -----------------------------------------------
# NAME.cc NAME.cflags NAME.ldflags NAME.deps (the triplet of the third-party build), NAME.rest (more flags, for what is not HOT)

# The data path, and what computes: everything else is made for size.
HOT := crypto/% adit.c ssh/packet.c ssh/channel.c ssh/ssh.c ssh/ssh_connection.c ssh/underway.c ssh/wire.c ssh/compress.c \
	forward/conn.c forward/flow.c forward/pump.c forward/session.c forward/session_event.c \
	forward/exec.c net/loop.c net/sock.c net/standard.c

release.cc      := $(CC)
release.cflags  := -O2 $(HARD) $(MUSL_CFLAGS)
release.rest    := -Os
release.deps    := $(MUSL)
unit.cc         := $(CC)
unit.cflags     := $(TEST_CFLAGS)
asan.cc         := $(CC)
asan.cflags     := $(SAN_CFLAGS) -fsanitize=address,undefined
asan.ldflags    := -fsanitize=address,undefined
tsan.cc         := $(CC)
tsan.cflags     := $(SAN_CFLAGS) -fsanitize=thread
tsan.ldflags    := -fsanitize=thread
clang.cc        := clang
clang.cflags    := -O2 -fPIE -fstack-protector-strong -ftrivial-auto-var-init=pattern
fuzz.cc         := $(FUZZ_CC)
fuzz.cflags     := $(SAN_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined
fuzz.ldflags    := -fsanitize=fuzzer,address,undefined
cover.cc        := $(FUZZ_CC)
cover.cflags    := $(TEST_CFLAGS) -fprofile-instr-generate -fcoverage-mapping
cover.ldflags   := -fprofile-instr-generate
$(foreach t,$(CROSS),$(eval $t.cc := $t-gcc)$(eval $t.cflags := -O1)$(eval $t.ldflags := -static)$(eval $t.deps := $t))
CONFIGS := release unit asan tsan clang fuzz cover $(CROSS)

san_config := $(or $(and $(filter address$(comma)undefined,$(SAN)),asan),$(and $(filter thread,$(SAN)),tsan))
ifneq ($(SAN),)
ifeq ($(san_config),)
san_config := san-$(subst $(comma),-,$(SAN))
$(san_config).cc := $(CC)
$(san_config).cflags := $(SAN_CFLAGS) -fsanitize=$(SAN)
$(san_config).ldflags := -fsanitize=$(SAN)
CONFIGS += $(san_config)
endif
endif

ifeq ($(SAN),)
all: $(BUILD)/adit
else
all: $(BUILD)/$(san_config)/adit
endif

THIRD_PARTY := sodium bearssl z $(if $(LESS),,jansson microhttpd)

# $1: the configuration
define config
$1.deps ?= $(HOST)
$1.dir := $(BUILD)/$1
$1.lib := $(BUILD)/deps/$$($1.deps)
$1.compile = $$($1.cc) $(BASE) $$($1.cflags) -isystem $$($1.lib)/include
$1.link = $$($1.cc) -g -pthread $$($1.ldflags)
$1.third_party = -Wl,--start-group $(THIRD_PARTY:%=$$($1.lib)/lib/lib%.a) -Wl,--end-group

# The command line is part of what an object is made from.
$(BUILD)/$1/flags: FORCE
	@mkdir -p $$(@D); echo '$$($1.compile) $$($1.rest) $$($1.link)' | cmp -s - $$@ || echo '$$($1.compile) $$($1.rest) $$($1.link)' >$$@

$(BUILD)/$1/%.o: %.c $(BUILD)/$1/flags | $(BUILD)/deps/$$($1.deps).ok $(if $(filter release,$1),$(BUILD)/linux-headers)
	@mkdir -p $$(@D)
	$$(call say,CC $$@)
	$$Q$$($1.compile) $$(if $$(filter-out $(HOT),$$<),$$($1.rest)) $$(if $$(filter cli/main.c,$$<),-DADIT_DAEMON=1) -c -o $$@ $$<

$(BUILD)/$1/cli/main-nodaemon.o: cli/main.c $(BUILD)/$1/flags | $(BUILD)/deps/$$($1.deps).ok $(if $(filter release,$1),$(BUILD)/linux-headers)
	@mkdir -p $$(@D)
	$$(call say,CC $$@)
	$$Q$$($1.compile) $$($1.rest) -DADIT_DAEMON=0 -c -o $$@ $$<

# Taken in by the assembler (daemon/packed.h).
$(BUILD)/$1/daemon/api_openapi.o: $(BUILD)/packed/openapi.json
$(BUILD)/$1/daemon/api_page.o: $(BUILD)/packed/page.html

$(BUILD)/$1/libadit$(LESS).a: $(LIB_SRC:%.c=$(BUILD)/$1/%.o) $(BUILD)/$1/parts$(LESS)
	@rm -f $$@
	$$Qar rcs $$@ $(LIB_SRC:%.c=$(BUILD)/$1/%.o)

$(BUILD)/$1/libtest.a: $(TEST_LIB_SRC:%.c=$(BUILD)/$1/%.o) $(BUILD)/$1/parts$(LESS)
	@rm -f $$@
	$$Qar rcs $$@ $(TEST_LIB_SRC:%.c=$(BUILD)/$1/%.o)

# Which objects an archive holds changes with PARTS and with files that go.
$(BUILD)/$1/parts$(LESS): FORCE
	@mkdir -p $$(@D); echo '$(LIB_SRC) $(TEST_LIB_SRC)' | cmp -s - $$@ || echo '$(LIB_SRC) $(TEST_LIB_SRC)' >$$@

$(BUILD)/$1/tests/%: $(BUILD)/$1/tests/%.o $(BUILD)/$1/libtest.a $(BUILD)/$1/libadit$(LESS).a $(BUILD)/deps/$$($1.deps).ok
	$$(call say,LD $$@)
	$$Q$$($1.link) $$($$*.wraps:%=-Wl,--wrap=%) -o $$@ $$< \
		-Wl,--start-group $(BUILD)/$1/libtest.a $(BUILD)/$1/libadit$(LESS).a -Wl,--end-group \
		$$($1.third_party) $$($1.lib)/lib/libcmocka.a

.PRECIOUS: $(BUILD)/$1/%.o
.SECONDARY: $(SRC:%.c=$(BUILD)/$1/%.o)
-include $(wildcard $(BUILD)/$1/*.d $(BUILD)/$1/*/*.d)
endef
$(foreach c,$(CONFIGS),$(eval $(call config,$c)))

$(BUILD)/packed/%: daemon/%
	@mkdir -p $(@D)
	$Q$(if $(filter 0,$(WITH_ZLIB)),cat,gzip -9nc) $< >$@.new
	@mv $@.new $@

# A sanitizer's adit: every configuration but the release links as glibc programs do.
$(foreach c,$(filter-out release,$(CONFIGS)),$(eval \
	$(BUILD)/$c/adit: $(BUILD)/$c/cli/main$(LESS).o $(BUILD)/$c/libadit$(LESS).a $(BUILD)/$c/daemon.is))
$(BUILD)/%/adit:
	$(call say,LD $@)
	$Q$($*.link) -o $@ $(filter %.o %.a,$^) $($*.third_party)

# Which of the two a binary of that name is.
$(BUILD)/daemon.is $(CONFIGS:%=$(BUILD)/%/daemon.is): FORCE
	@mkdir -p $(@D); echo $(DAEMON) | cmp -s - $@ || echo $(DAEMON) >$@

# ---- third-party libraries ----------------------------------------------------------------------------------

$(BUILD)/deps/%.ok: scripts/deps scripts/deps.lock scripts/apt.sh scripts/jansson-memory.sed
	@mkdir -p $(@D)
	@ADIT_DAEMON=$(DAEMON) scripts/deps $* $(BUILD)/deps/$*
	@touch $@
# Made anew when the cache was emptied, when the daemon's libraries are not there yet, or when an unpinned library is
# no longer welcome.
missing_deps = $(if $(wildcard $(BUILD)/deps/$1/lib/lib$(lastword $(THIRD_PARTY)).a),$(and $(ADIT_STRICT_DEPS),$(wildcard $(BUILD)/deps/$1/unpinned)),FORCE)
$(foreach d,$(sort $(HOST) $(MUSL) $(CROSS)),$(if $(call missing_deps,$d),$(eval $(BUILD)/deps/$d.ok: FORCE)))

deps: $(BUILD)/deps/$(HOST).ok $(BUILD)/deps/$(MUSL).ok

# The kernel's headers alone, as links.
$(BUILD)/linux-headers:
	@mkdir -p $@.new
	@for d in linux asm asm-generic; do \
		for at in /usr/include/$(HOST) /usr/include; do \
			if [ -d $$at/$$d ]; then ln -sfn $$at/$$d $@.new/$$d; break; fi; \
		done; \
	done
	@mv -T $@.new $@ 2>/dev/null || rm -rf $@.new

# ---- the binary -----------------------------------------------------------------------------------------------

$(BUILD)/release/adit$(LESS): $(BUILD)/release/cli/main$(LESS).o $(BUILD)/release/libadit$(LESS).a $(BUILD)/deps/$(MUSL).ok
	@if [ -e $(release.lib)/unpinned ]; then \
		echo "unpinned third-party sources: their tests come first"; $(MAKE) check-unit TESTS_ONLY=crypto; fi
	$(call say,LD $@)
	$Q$(CC) -g $(MUSL_LDFLAGS) -o $@ $(MUSL_START) $(filter %.o %.a,$^) \
		$(release.third_party) $(MUSL_END)

$(BUILD)/adit: $(BUILD)/release/adit$(LESS) $(BUILD)/daemon.is
	$(call say,STRIP $@)
	$Qobjcopy --only-keep-debug $< $@.debug
	$Qobjcopy --strip-all --add-gnu-debuglink=$@.debug $< $@.new
	@mv $@.new $@

install: $(BUILD)/adit
	@install -D -m 755 $(BUILD)/adit $(DESTDIR)$(PREFIX)/bin/adit
	@for page in $(wildcard doc/*.[1-8]); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done
	@install -D -m 644 doc/completions/adit.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/adit
	@install -D -m 644 doc/completions/_adit $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_adit
	@install -D -m 644 doc/completions/adit.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/adit.fish
	@mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/systemd/user
	@for unit in adit@ $(if $(LESS),,aditd); do sed 's|/usr/local/bin|$(PREFIX)/bin|' doc/systemd/$$unit.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service || exit 1; done
	$(if $(LESS),,@sed 's|/usr/local/bin|$(PREFIX)/bin|' doc/systemd/aditd-user.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/user/aditd.service)

demo:
	scripts/demo

clean:
	rm -rf $(BUILD)

# ---- tests ----------------------------------------------------------------------------------------------------

# With TESTS_ONLY=folder: the tests of that folder's files.
ifneq ($(TESTS_ONLY),)
TESTS := $(filter $(patsubst $(TESTS_ONLY)/%.c,test_%,$(wildcard $(TESTS_ONLY)/*.c)),$(TESTS))
endif

check:
	+@MAKE='$(MAKE)' VECTORS='$(VECTORS)' scripts/check peers all layers check-unit check-corpus check-valgrind \
		check-tsan check-clang $(if $(VECTORS),check-vectors) check-differential check-e2e check-hostile check-faults-short \
		check-bench

check-quick:
	+@MAKE='$(MAKE)' scripts/check layers check-unit check-corpus check-e2e-quick

check-unit: $(TESTS:%=$(BUILD)/asan/tests/%)
	@scripts/run-tests asan $^

check-valgrind: $(TESTS:%=$(BUILD)/unit/tests/%)
	@scripts/run-tests valgrind $^

check-tsan: $(patsubst %,$(BUILD)/tsan/tests/%,$(filter $(TSAN_TESTS),$(TESTS)))
	@scripts/run-tests tsan $^

check-clang: $(SRC:%.c=$(BUILD)/clang/%.o) $(TESTS:%=$(BUILD)/clang/tests/%.o) $(TEST_LIB_SRC:%.c=$(BUILD)/clang/%.o)
	@echo "check-clang: $(words $^) objects compiled by clang without a warning"

check-vectors: $(VECTOR_RUNS:%=$(BUILD)/unit/tests/%)
	@scripts/run-vectors '$(VECTORS)' $^

define arch_check
.PHONY: check-arch-$1
check-arch-$1: $(TESTS:%=$(BUILD)/$1/tests/%)
	@scripts/run-tests qemu-$1 $$^
endef
$(foreach t,$(CROSS),$(eval $(call arch_check,$t)))
check-arch: $(patsubst %,check-arch-%,$(or $(ARCH),$(CROSS)))

# What the e2e tests need besides adit: one small program each.
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))
$(BUILD)/tools/%: tests/tools/%.c
	@mkdir -p $(@D)
	$(call say,CC $@)
	$Q$(CC) -O2 $(BASE) -D_GNU_SOURCE= -MF $@.d -pthread -o $@ $<
# The ends of a measurement are one program of several files, compiled at once.
TOOLS += $(BUILD)/tools/traffic
$(BUILD)/tools/traffic: $(wildcard bench/traffic*.c) bench/traffic.h
	@mkdir -p $(@D)
	$(call say,CC $@)
	$Q$(CC) -O2 $(filter-out -MMD -MP,$(BASE)) -D_GNU_SOURCE= -o $@ $(filter %.c,$^)

# Does time tell secrets? The release's own objects under a stopwatch.
TIMING := $(patsubst %.c,$(BUILD)/release/%.o,$(wildcard bench/timing/*.c))
TOOLS += $(BUILD)/tools/timing
$(BUILD)/tools/timing: $(TIMING) $(BUILD)/release/libadit$(LESS).a $(BUILD)/deps/$(MUSL).ok
	@mkdir -p $(@D)
	$(call say,LD $@)
	$Q$(CC) -g $(MUSL_LDFLAGS) -o $@ $(MUSL_START) $(filter %.o %.a,$^) $(release.third_party) $(MUSL_END)
.PHONY: timing
timing: $(BUILD)/tools/timing
	@$< $(TIMING_WORDS)

# E2E: more words for pytest.
.PHONY: check-e2e-quick
check-e2e: $(BUILD)/adit $(TOOLS) peers npm-packages
	+@$(MAKE) --no-print-directory DAEMON=0 $(BUILD)/release/adit-nodaemon
	@scripts/run-e2e $(BUILD) $(E2E)
check-e2e-quick: $(BUILD)/adit $(TOOLS) peers npm-packages
	@scripts/run-e2e $(BUILD) -n "$${E2E_JOBS:-3}" --dist loadfile -m quick $(E2E)

# Hostile peers. HOSTILE: more words for the runner.
# One of them is adit's own machine; what it sends is caught where a packet is sealed.
HOSTILE_SERVER := $(BUILD)/asan/tests/hostile/server
$(HOSTILE_SERVER): private asan.link += -Wl,--wrap=packet_send,--wrap=packet_seal
# A client whose packets are counted from elsewhere.
HOSTILE_CLIENT := $(BUILD)/asan/tests/hostile/seam
$(HOSTILE_CLIENT): private asan.link += -Wl,--wrap=packet_init,--wrap=packet_set_keys $(BUILD)/asan/cli/main$(LESS).o
$(HOSTILE_CLIENT): $(BUILD)/asan/cli/main$(LESS).o
-include $(wildcard $(HOSTILE_SERVER).d $(HOSTILE_CLIENT).d)
HOSTILE_RUN = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tests.hostile --build $(BUILD)
check-hostile: $(BUILD)/adit $(BUILD)/asan/adit $(HOSTILE_SERVER) $(HOSTILE_CLIENT) $(BUILD)/tools/peak $(BUILD)/tools/lend peers
	@$(HOSTILE_RUN) $(HOSTILE)
hostile-table: $(BUILD)/adit $(HOSTILE_SERVER) $(BUILD)/tools/peak $(BUILD)/tools/lend peers
	@$(HOSTILE_RUN) --table doc/hostile-peers.md $(HOSTILE)

# Differential tests, against OpenSSH's programs. N: so many times the rounds of a short run, with SEED.
.PHONY: differential check-differential
ANSWERER := $(BUILD)/asan/tests/differential/answer
-include $(wildcard $(ANSWERER).d)
DIFFERENTIAL = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tests.differential --build $(BUILD)
check-differential: $(BUILD)/adit $(ANSWERER) peers
	@$(DIFFERENTIAL)
differential: $(BUILD)/adit $(ANSWERER) peers
	@$(DIFFERENTIAL) --times $(or $(N),10) --seed $(or $(SEED),$(shell date +%s)) $(TOPICS)

# Faults: the sanitizers' adit, with tests/faults/inject.c between it and the C library. What that wraps is read off it.
# FAULTS: more words for the runner.
FAULTY := $(BUILD)/faults/adit
FAULT_WRAPS := $(shell sed -nf tests/faults/wraps.sed tests/faults/inject.c)
$(FAULTY): $(BUILD)/asan/cli/main$(LESS).o $(BUILD)/unit/tests/faults/inject.o $(BUILD)/asan/libadit$(LESS).a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$Q$(asan.link) $(FAULT_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(asan.third_party)
.PHONY: check-faults check-faults-short
FAULTS_RUN = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tests.faults --build $(BUILD)
check-faults: $(FAULTY) peers
	@$(FAULTS_RUN) $(FAULTS)
check-faults-short: $(FAULTY) peers
	@$(FAULTS_RUN) --short $(FAULTS)

# Figures. BENCH: more words for bench/run.py.
.PHONY: bench bench-quick check-bench
BENCH_RUN = ADIT=$(or $(ADIT),$(abspath $(BUILD))/adit) ADIT_TOOLS=$(abspath $(BUILD))/tools $(PYTHON) bench/run.py
bench: $(BUILD)/adit $(TOOLS) peers
	@$(BENCH_RUN) --json $(BUILD)/bench.json $(BENCH)
bench-quick: $(BUILD)/adit $(TOOLS) peers
	@$(BENCH_RUN) --quick --json $(BUILD)/bench-quick.json $(BENCH)
# A test: every figure is there and is a number. How large it is plays no part.
check-bench: $(BUILD)/adit $(TOOLS) peers
	@$(BENCH_RUN) --quick --check --json $(BUILD)/bench-quick.json

# MINUTES: how long. Writes $(BUILD)/soak/*.csv and *.svg.
soak: $(BUILD)/adit $(TOOLS) peers
	@ADIT=$(or $(ADIT),$(abspath $(BUILD))/adit) ADIT_TOOLS=$(abspath $(BUILD))/tools \
		$(PYTHON) -W ignore tests/soak --minutes $(or $(MINUTES),20) --out $(BUILD)/soak

peers:
	@scripts/peers $(BUILD)

# After the peers: both may install with apt. Without them the tests that need them fail, and only these.
npm-packages: | peers
	-@scripts/npm-packages $(BUILD)

run-%: $(BUILD)/asan/tests/%
	@scripts/run-tests asan $<

# ---- fuzzing ----------------------------------------------------------------------------------------------------

FUZZ_RUN := $(if $(F),$(F),$(FUZZERS))

$(BUILD)/fuzz/bin/%: $(BUILD)/fuzz/fuzz/fuzz_%.o $(FUZZ_LIB_SRC:%.c=$(BUILD)/fuzz/%.o) $(BUILD)/fuzz/libtest.a $(BUILD)/fuzz/libadit$(LESS).a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$Q$(fuzz.link) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(fuzz.third_party) $(fuzz.lib)/lib/libcmocka.a

# $1: a configuration in which targets run over files, without libFuzzer
define replays
$(BUILD)/$1/replay/%: $(BUILD)/$1/fuzz/fuzz_%.o $(BUILD)/$1/fuzz/replay.o $(FUZZ_LIB_SRC:%.c=$(BUILD)/$1/%.o) $(BUILD)/$1/libtest.a $(BUILD)/$1/libadit$(LESS).a
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$Q$$($1.link) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$($1.third_party) $$($1.lib)/lib/libcmocka.a
endef
$(foreach c,asan cover,$(eval $(call replays,$c)))

fuzz: $(FUZZ_RUN:%=$(BUILD)/fuzz/bin/%)
	@scripts/run-fuzz $(BUILD) $(T) $(FUZZ_RUN)

check-corpus: $(FUZZERS:%=$(BUILD)/asan/replay/%)
	@scripts/run-corpus $^

# What the corpora reach.
COVERED := $(filter-out planted,$(FUZZERS))
.PHONY: coverage coverage-run
coverage:
	@scripts/need-packages clang llvm libclang-rt-14-dev
	+@$(MAKE) --no-print-directory coverage-run
coverage-run: $(COVERED:%=$(BUILD)/cover/replay/%) $(LIB_SRC:%.c=$(BUILD)/cover/%.o)
	@scripts/coverage $(BUILD) --write

# ---- lint ---------------------------------------------------------------------------------------------------------

layers:
	@scripts/layers --self-test
	@scripts/layers
	@scripts/parsers --self-test
	@scripts/parsers
	@scripts/conformance --self-test
	@scripts/conformance --check

OURS := $(wildcard *.[ch] $(FOLDERS:%=%/*.[ch]) tests/*.[ch] fuzz/*.[ch] bench/*.[ch] bench/timing/*.[ch])
lint: layers $(BUILD)/deps/$(HOST).ok
	clang-format --dry-run -Werror $(OURS)
	clang-tidy --quiet $(SRC) -- $(BASE) -DADIT_DAEMON=$(DAEMON) -isystem $(BUILD)/deps/$(HOST)/include
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress=internalAstError -DADIT_DAEMON=$(DAEMON) -I. $(SRC)
