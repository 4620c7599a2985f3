# The short names for what is done every day. A newcomer needs two of them:
#
#   make run    the demo: real services, watched and logged
#   make test   builds everything and runs all tests

BUILD    := build/release
PROGRAMS := bin/pm-node bin/pmctl bin/pm-keeper bin/pm-worker
CTEST    := ctest --output-on-failure -j2

# make fuzz FUZZ_SECONDS=3600
FUZZ_SECONDS ?= 60

.PHONY: run test build asan tsan fuzz bench torture format tidy install clean \
        setup setup-all
.DEFAULT_GOAL := build

# The configured folders; cmake itself notices later changes of its files.
build/%/build.ninja: CMakePresets.json | setup
	@cmake --preset $* >build/$*.configure.log 2>&1 || \
	  { cat build/$*.configure.log; exit 1; }

setup:
	@cmake/setup.sh
	@mkdir -p build

setup-all: setup
	@cmake/setup.sh --all

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) $(PROGRAMS)

run: build
	@cmake/demo.sh $(BUILD)/bin build/demo-state

test: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@cd $(BUILD) && $(CTEST) -LE torture

# Tests that are too long for every day.
torture: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@cd $(BUILD) && ctest --output-on-failure -L torture

asan: build/asan/build.ninja
	@ninja -C build/asan
	@cd build/asan && $(CTEST) -L 'unit|sim|faults' -LE torture

tsan: build/tsan/build.ninja
	@ninja -C build/tsan thread_tests
	@cd build/tsan && $(CTEST) -L threads -LE torture

fuzz: setup-all build/fuzz/build.ninja
	@ninja -C build/fuzz test/fuzz/all
	@for one in build/fuzz/bin/fuzz_*; do \
	  corpus=build/fuzz/corpus/$$(basename $$one); mkdir -p $$corpus; \
	  echo "$$one -max_total_time=$(FUZZ_SECONDS) $$corpus"; \
	  $$one -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$$corpus/ \
	    $$corpus || exit 1; \
	done

bench: $(BUILD)/build.ninja
	@ninja -C $(BUILD) $(PROGRAMS) test/bench/all
	@$(BUILD)/bin/bench_run
	@$(BUILD)/bin/bench_calls
	@$(BUILD)/bin/bench_registry
	@$(BUILD)/bin/bench_node $(BUILD)/bin
	@$(BUILD)/bin/bench_graph $(BUILD)/bin
	@$(BUILD)/bin/bench_usage $(BUILD)/bin

format: setup-all
	@git ls-files -co --exclude-standard '*.cpp' '*.hpp' | \
	  xargs clang-format -i

tidy: setup-all $(BUILD)/build.ninja
	@python3 test/tidy.py
	@git ls-files -co --exclude-standard '*.cpp' | grep -v ^test/ | \
	  xargs -P2 -n4 clang-tidy -p $(BUILD) --quiet

# make install [PREFIX=/usr/local] [DESTDIR=...]
install: $(BUILD)/build.ninja
	@cmake $(if $(PREFIX),-DCMAKE_INSTALL_PREFIX=$(abspath $(PREFIX))) \
	  $(BUILD) >/dev/null
	@ninja -C $(BUILD) pm $(PROGRAMS)
	@cmake --install $(BUILD)

clean:
	@rm -rf build/release build/debug build/asan build/tsan build/fuzz
