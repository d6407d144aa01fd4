#!/usr/bin/env bash
# The Rust crates against the built library: tests, clippy and documentation without a warning, and the example, which
# writes the text of `onebit run` with its prompt on the simulated NPU.
# usage: cargo.sh SOURCE LIBRARY_FOLDER WORK ONEBIT
set -euo pipefail
source=$1 work=$3 onebit=$4
if ! command -v cargo >/dev/null; then echo "cargo is missing"; exit 77; fi
export ONEBIT_LIB_DIR=$2 CARGO_TARGET_DIR=$work/target CARGO_TERM_COLOR=never
# Cargo of Debian 12 tells documentation tests nothing of libraries.
export LD_LIBRARY_PATH=$2${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
mkdir -p "$work"
cd "$source/rust"
cargo --version
cargo test --offline --locked 2>&1 | tee "$work/tests.log"
passed=$(sed -n "s/^test result: ok\. \([0-9]*\) passed.*/\1/p" "$work/tests.log" | awk "{ n += \$1 } END { print n }")
[ "$passed" -ge 40 ] || { echo "only $passed tests passed"; exit 1; }
if cargo clippy --version >/dev/null 2>&1; then cargo clippy --offline --locked --all-targets -- -D warnings; else echo "no clippy"; fi
RUSTDOCFLAGS="-D warnings" cargo doc --offline --locked --no-deps

models=("$source"/models/*.gguf)
for prompt in "In the beginning" "It was a dark and stormy night;"; do
  "$onebit" run -m "${models[0]}" -p "$prompt" -n 32 --temp 0 --quiet >"$work/run"
  cargo run --offline --locked --example generate -- "${models[0]}" "$prompt" 32 >"$work/rust" 2>"$work/err"
  [ -s "$work/run" ] && cmp "$work/run" "$work/rust"
  grep -E "^prompt on array simulator \(npu2\): [1-9][0-9]* dispatches" "$work/err"
done

# No dependency outside std.
if grep -h '^source' Cargo.lock; then echo "a dependency from outside the tree"; exit 1; fi
echo "$passed tests passed"
