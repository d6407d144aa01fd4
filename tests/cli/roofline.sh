#!/usr/bin/env bash
# Ceilings: golden reports for machines that are not here, the field's arithmetic, and a model's own bytes.
source "$(dirname "$0")/lib.sh" "$@"

data=$source_dir/tests/data/roofline

for machine in strix-halo strix krackan; do
  run 0 roofline --shape bitnet-2b-4t --machine $machine --context 4096
  # What the performance model says changes with its constants, and has tests of its own.
  sed '/by the NPU performance model/,/^$/d' "$work/out" >"$work/$machine.txt"
  [ -z "${UPDATE_GOLDEN:-}" ] || cp "$work/$machine.txt" "$data/$machine.txt"
  same "$data/$machine.txt" "$work/$machine.txt" "roofline on $machine"
  has out "NPU performance model (estimated)"
  has out "onebit ternary"
  has out "77.9 tok/s"
  has out "86.4 to 107.5 tok/s"
  has out "3095"
  has out "6070"
  # Nothing of another machine may look measured here.
  checks=$((checks + 1))
  if grep -vE 'measured by others|measured here|on Strix Halo' "$work/out" | grep -q measured; then fail "roofline on $machine: a figure is called measured"; fi
done
run 0 roofline --machine strix-halo --json
has out '"label": "estimated"'
has out '"gb_per_s": 212.0'
has out '"gb_per_s": 256.0'
checks=$((checks + 1))
if grep -q '"label": "measured"' "$work/out"; then fail "roofline --json on strix-halo: a figure is called measured"; fi

# The file's own tensors: the same shape gives the same figures.
onebit synth tiny "$work/tiny.gguf" --type I2_S
run 0 roofline -m "$work/tiny.gguf" --machine krackan --json
grep -v '"name": "' "$work/out" >"$work/file.json"
run 0 roofline --shape tiny --machine krackan --json
grep -v '"name": "' "$work/out" >"$work/shape.json"
same "$work/shape.json" "$work/file.json" "roofline of a file and of its shape"
# and 'info' counts the same bytes.
run 0 info "$work/tiny.gguf" --json
weights=$(grep -o '"linear_elements": [0-9]*' "$work/out" | grep -o '[0-9]*$')
grep -q "\"linear_weights\": $weights," "$work/file.json" || fail "info and roofline count different weights"

run 0 roofline --shape tiny --machine this --probe-mib 16
has out "measured: best of 3 on this machine"
run 0 roofline --shape falcon3-10b --machine strix -p 128
run 2 roofline --machine abacus
has err "--machine"
run 2 roofline --shape no-such-shape
has err "bitnet-2b-4t"
run 2 roofline -m "$work/tiny.gguf" --shape tiny
run 2 roofline -p 0
run 2 roofline --context -1
run 1 roofline -m "$work/absent.gguf" --machine strix
printf 'GGUF\003\000\000\000' >"$work/cut.gguf"
run 1 roofline -m "$work/cut.gguf" --machine strix

finish
