# The newcomer's door: `make run`, then `make test`. Everything here is a thin layer over CMake's presets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

JOBS         ?= $(shell nproc)
MODEL        ?= $(firstword $(wildcard models/*.gguf))
PROMPT       ?= In the beginning
TOKENS       ?= 200
FUZZ_SECONDS ?= 60
BENCH_MODEL  ?= build/bench/bitnet-2b-4t.gguf
# Extra arguments for ctest, for example CTEST_ARGS="-R gguf".
CTEST_ARGS   ?=

DEPS   := scripts/install-deps.sh
CCACHE := $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
# What the compiler cache asks for before it takes precompiled headers.
export CCACHE_SLOPPINESS ?= pch_defines,time_macros
# A trap in place of every interpreter: the build and the tests fail when one is called.
GUARD  := scripts/no-interpreter.sh
CTEST  := ctest --output-on-failure --no-tests=error -j $(JOBS)
BINARY := build/release/onebit

.PHONY: help deb packages build run test asan tsan fuzz lint neon bench test-gpu bench-gpu clean

help:
	@echo 'make run      build, load the model in models/ and stream text (PROMPT="..." TOKENS=n MODEL=file)'
	@echo 'make build    build/release/onebit'
	@echo 'make test     every test'
	@echo 'make bench    speed on the 2B shape against the limits of this machine'
	@echo 'make asan     build with clang 19, tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make tsan     tests under ThreadSanitizer'
	@echo 'make fuzz     every fuzz target for FUZZ_SECONDS=60 from its committed corpus'
	@echo 'make lint     clang-tidy and cppcheck'
	@echo 'make neon     cross-compile for aarch64 and test under qemu'
	@echo 'make test-gpu tests on a real GPU, SKIPPED without one'
	@echo 'make bench-gpu speed on a real GPU beside its limits'
	@echo 'make deb      Debian packages in build/deb'
	@echo 'make packages  build them, install them on a bare Debian 12, purge them (as root)'
	@echo 'make clean    remove build/'

build:
	@$(DEPS) build
	@mkdir -p build && cmake --preset release $(CCACHE) >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@cmake --build --preset release --target onebit -j $(JOBS)

run: build
	@test -n "$(MODEL)" || { echo 'make run: no model in models/, name one: make run MODEL=file.gguf' >&2; exit 1; }
	@$(BINARY) run -m "$(MODEL)" -p "$(PROMPT)" -n $(TOKENS)

# AMD's own tools judge our NPU files: bootgen from Debian 12, the rest of XRT unpacked from a newer Debian. Where that
# mirror cannot be reached their checks are skipped, and say so.
test:
	@$(DEPS) build clients npu capi rust gpu proxy
	@mkdir -p build && { tests/npu/fetch_xrt_tools.sh build/xrt >build/xrt.log 2>&1 || tail -n 1 build/xrt.log; }
	$(GUARD) cmake --preset release $(CCACHE)
	$(GUARD) cmake --build --preset release -j $(JOBS)
	NPU_XRT_ROOT=$(CURDIR)/build/xrt/root $(GUARD) $(CTEST) --test-dir build/release $(CTEST_ARGS)

# Where threads meet, and where code differs on another architecture: what the slow jobs build and run. Tests of other
# rooms are then known to ctest only as NOT_BUILT, and whole-program tests are left to the other jobs.
THREADS := base_test linear_test attention_test head_test model_test engine_test npu_runtime_test capi_test capi_boundary_test
PORTED  := base_test ternary_test linear_test float_ops_test attention_test head_test limits_test model_test
# The GPU emulator switches stacks, which ThreadSanitizer cannot follow.
SOME    := -E 'NOT_BUILT|^examples|^npu_|GpuEmulator' -LE 'cli|clients|plain|slow|npu-tools'

# Tests labelled `clients` drive other people's programs and `plain` ones look at the tree or at a build
# of their own: neither has anything for a sanitizer to see.
# One test of the GPU emulator takes ten minutes there; what it runs the other GpuForward tests run too.
SANITIZED := $(CTEST) -LE 'clients|plain|slow' -E 'GpuForward.WeightsThatAreNotTernary' $(CTEST_ARGS)

# One build of everything by clang serves the tests, the fuzzers and the clang-clean promise.
asan:
	@$(DEPS) build clang
	cmake --preset asan $(CCACHE)
	cmake --build --preset asan -j $(JOBS)
	cd build/asan && ASAN_OPTIONS=allocator_may_return_null=1:strict_string_checks=1:check_initialization_order=1 \
	  UBSAN_OPTIONS=print_stacktrace=1 $(SANITIZED)

# ThreadSanitizer of this generation cannot place its shadow memory when the kernel randomises
# mappings with more than 28 bits, hence setarch.
tsan:
	@$(DEPS) build
	cmake --preset tsan $(CCACHE)
	setarch -R cmake --build --preset tsan -j $(JOBS) --target $(THREADS)
	cd build/tsan && TSAN_OPTIONS=allocator_may_return_null=1:second_deadlock_stack=1 \
	  setarch -R $(CTEST) $(SOME) $(CTEST_ARGS)

fuzz:
	@$(DEPS) build clang
	cmake --preset fuzz $(CCACHE)
	cmake --build --preset fuzz -j $(JOBS) --target $(basename $(notdir $(wildcard fuzz/fuzz_*.cpp)))
	scripts/fuzz.sh build/asan $(FUZZ_SECONDS) $(JOBS)

lint:
	@$(DEPS) build clang lint
	cmake --preset lint
	scripts/lint.sh build/lint $(JOBS)

neon:
	@$(DEPS) build neon
	@scripts/aarch64-sysroot.sh build/aarch64-sysroot
	cmake --preset release -B build/neon -DCMAKE_TOOLCHAIN_FILE=$(CURDIR)/cmake/aarch64.cmake $(CCACHE)
	cmake --build build/neon -j $(JOBS) --target $(PORTED)
	cd build/neon && $(CTEST) $(SOME) $(CTEST_ARGS)

bench: build
	@mkdir -p $(dir $(BENCH_MODEL))
	@test -f $(BENCH_MODEL) || $(BINARY) synth bitnet-2b-4t $(BENCH_MODEL)
	$(BINARY) bench -m $(BENCH_MODEL) -p 128,512 -n 64 -t $(JOBS) -r 5 --limits

# Without a GPU the tests are SKIPPED, visibly, and the benchmark fails.
test-gpu:
	@$(DEPS) gpu
	@$(MAKE) --no-print-directory build
	@cmake --build --preset release -j $(JOBS) --target gpu_probe gpu_model_test emulated_hip
	scripts/gpu.sh test build/release

bench-gpu:
	@$(DEPS) gpu
	@$(MAKE) --no-print-directory build
	@cmake --build --preset release -j $(JOBS) --target gpu_probe gpu_bench
	@mkdir -p $(dir $(BENCH_MODEL))
	@test -f $(BENCH_MODEL) || $(BINARY) synth bitnet-2b-4t $(BENCH_MODEL)
	scripts/gpu.sh bench build/release $(BENCH_MODEL)

deb:
	@$(DEPS) build packages
	scripts/build-deb.sh build/deb

packages:
	@$(DEPS) build capi packages
	tests/packages/packages.sh $(CURDIR) $(CURDIR)/build/packages

clean:
	rm -rf build
