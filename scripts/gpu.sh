#!/usr/bin/env bash
# What needs a real GPU. usage: scripts/gpu.sh test|bench BUILD_DIR [MODEL.gguf]
# Without a GPU: `test` says SKIPPED and ends with 0, `bench` ends with 1.
set -euo pipefail
what=$1
build=$2

if ! found=$("$build/src/gpu/runtime/gpu_probe"); then
  if [ "$what" = test ]; then
    echo "SKIPPED: GPU tests did not run on a GPU: $found"
    exit 0
  fi
  echo "bench-gpu: nothing was measured: $found" >&2
  exit 1
fi
echo "$found"

if [ "$what" = bench ]; then
  exec "$build/bench/gpu_bench" "$3"
fi

failed=0
run() { echo "== $*"; "$@" || { echo "FAILED: $*"; failed=1; }; }
run "$build/src/gpu/runtime/gpu_model_test" --gpu
run tests/cli/gpu.sh . "$build/tests/cli" "$build/onebit"
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck; do
    run compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/src/gpu/runtime/gpu_model_test" --gpu \
      --gtest_filter='GpuForward.OnlyTheWanted*:GpuForward.TheBest*:GpuForward.SeveralSequences*'
  done
else
  echo "compute-sanitizer: not found, memory and races were not checked on the GPU"
fi
exit $failed
