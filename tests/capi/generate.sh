#!/usr/bin/env bash
# The C interface gives the greedy text of `onebit run`, with prompts on the CPU and on the simulated NPU.
# usage: generate.sh SOURCE WORK EXAMPLE ONEBIT
set -euo pipefail
work=$2/generate example=$3 onebit=$4
models=("$1"/models/*.gguf)
rm -rf "$work"
mkdir -p "$work"
prompts=("In the beginning God created the heaven and the earth." "It is a truth universally acknowledged" "a")
for i in "${!prompts[@]}"; do
  "$onebit" run -m "${models[0]}" -p "${prompts[$i]}" -n 48 --temp 0 --quiet >"$work/run"
  [ -s "$work/run" ] || { echo "onebit run wrote nothing"; exit 1; }
  for device in cpu npu-sim; do
    "$example" "${models[0]}" "${prompts[$i]}" 48 $device >"$work/$device"
    cmp "$work/run" "$work/$device" || { echo "prompt $i on $device: another text than onebit run"; exit 1; }
  done
done
# The control: the comparison sees a difference.
"$example" "${models[0]}" "Another prompt" 48 cpu >"$work/other"
if cmp -s "$work/run" "$work/other"; then echo "another prompt gave the same text"; exit 1; fi
# Errors of the library reach the user.
if "$example" "$work/none.gguf" "a" 2>"$work/err"; then echo "a missing model gave no error"; exit 1; fi
grep -q "none.gguf" "$work/err"
cat "$work/run"
