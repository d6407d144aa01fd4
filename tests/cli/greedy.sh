#!/usr/bin/env bash
# Greedy text does not depend on threads, batch split, instruction set, nor on which packing holds the weights.
source "$(dirname "$0")/lib.sh" "$@"

box=$(box_model)
# Long enough for several batches of 7 and for the first of 512 to be a partial one.
prompt="In the beginning God created the heaven and the earth. And the earth was without form, and void; and
darkness was upon the face of the deep. And the Spirit of God moved upon the face of the waters. And God said,"

greedy() {  # NAME ARGS...
  local name=$1
  shift
  run 0 run -p "$prompt" -n 48 --temp 0 --quiet "$@"
  cp "$work/out" "$work/$name.txt"
  [ ! -s "$work/err" ] || fail "--quiet wrote to stderr: $(head -c 200 "$work/err")"
}

isas=$(onebit run --help | sed -n 's/.*--isa \(auto[^ ]*\).*/\1/p' | tr '|' ' ')
[ -n "$isas" ] || fail "run --help names no instruction sets"

greedy reference -m "$box" -t 1 -b 512 --isa scalar
cat "$work/reference.txt"
for type in I2_S TQ1_0 TQ2_0; do
  run 0 quantize "$box" "$work/$type.gguf" "$type"
  for args in "-t 1" "-t 2" "-b 1" "-b 7" "-b 512 -t 2"; do
    # shellcheck disable=SC2086
    greedy "$type-${args// /}" -m "$work/$type.gguf" $args
    same "$work/reference.txt" "$work/$type-${args// /}.txt" "$type $args"
  done
  for isa in $isas; do
    greedy "$type-$isa" -m "$work/$type.gguf" --isa "$isa" -t 2 -b 7
    same "$work/reference.txt" "$work/$type-$isa.txt" "$type --isa $isa"
  done
done

# The control: the comparison sees a difference where there is one.
run 0 run -p "$prompt And" -n 48 --temp 0 --quiet -m "$box"
cmp -s "$work/out" "$work/reference.txt" && fail "another prompt gave the same text"

# A shape whose widths are no multiples of 256 cannot be TQ1_0 or TQ2_0; grouped heads, ragged rows and
# SiLU come from the synthetic shapes.
for shape in tiny; do
  for arch in bitnet-b1.58 bitnet llama; do
    onebit synth "$shape" "$work/s.gguf" --arch "$arch" --type I2_S --seed 5
    greedy s1 -m "$work/s.gguf" -t 1 -b 1 --isa scalar --ignore-eos
    greedy s2 -m "$work/s.gguf" -t 2 -b 512 --ignore-eos
    same "$work/s1.txt" "$work/s2.txt" "$shape $arch"
  done
done

finish
