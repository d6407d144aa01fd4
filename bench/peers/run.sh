#!/usr/bin/env bash
# onebit and llama.cpp on the same weights (BitNet-2B-4T shape as architecture `bitnet`, TQ2_0), in turn, so that
# both see the same machine. Prints one line per program and round: tokens per second for prompts of 128 and 512
# tokens and for single tokens.
# usage: bench/peers/run.sh ONEBIT [ROUNDS] [THREADS]     needs node 20 and the npm registry; 1.3 GB of disk
set -euo pipefail
onebit=$(realpath "$1") rounds=${2:-3} threads=${3:-$(nproc)}
here=$(dirname "$(realpath "$0")")
work=${TMPDIR:-/tmp}/onebit-peers
mkdir -p "$work"
cp "$here/llamacpp.mjs" "$here/../../tests/clients/llamacpp/package.json" "$work/"
[ -d "$work/node_modules/node-llama-cpp" ] || (cd "$work" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
[ -f "$work/2b.gguf" ] || "$onebit" synth bitnet-2b-4t "$work/2b.gguf" --arch bitnet --type TQ2_0 --quiet
for _ in $(seq "$rounds"); do
  echo "llama.cpp $(cd "$work" && node llamacpp.mjs 2b.gguf "$threads" 1)"
  echo "onebit    $("$onebit" bench -m "$work/2b.gguf" -p 128,512 -n 32 -t "$threads" -r 1 --json |
    grep -oE '"(test|tok_per_s)": *"?[a-z0-9.]+' | sed 's/.*: *"\{0,1\}//' | paste -sd' ')"
done
