#!/usr/bin/env bash
# A fresh configure, build and run of the product with traps in place of every interpreter, after showing
# that a sprung trap fails the run even when its caller does not mind.
# usage: build.sh SOURCE SCRATCH CMAKE_ARGS...
set -euo pipefail
source=$1 scratch=$2
shift 2
guard=$source/scripts/no-interpreter.sh

for script in 'python3 -c 1' 'python -V || true' 'node -e 1; true' 'env perl -e 1 || true'; do
  if "$guard" sh -c "$script" >/dev/null 2>&1; then echo "the trap let pass: $script"; exit 1; fi
done
"$guard" sh -c true

rm -rf "$scratch"
"$guard" cmake -S "$source" -B "$scratch" -G Ninja -DCMAKE_BUILD_TYPE=Debug "$@"
"$guard" cmake --build "$scratch" --target base_test cli_test
"$guard" "$scratch/src/base/base_test" --gtest_brief=1
rm -rf "$scratch"
