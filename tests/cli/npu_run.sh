#!/usr/bin/env bash
# onebit npu run on files: buffers in and out, several runs, clocks and trace, and what it refuses.
source "$(dirname "$0")/lib.sh" "$@"

run 0 npu build passthrough -o "$work"
image=$work/passthrough.xclbin
stream=$(ls "$work"/passthrough.*.insts.bin | head -n 1)

# What goes in comes out, from a file and from the same random bytes again.
run 0 npu run "$image" "$stream" --arg 0=random:65536 --out 0="$work/in" --out 1="$work/first"
head -c "$(stat -c %s "$work/first")" "$work/in" >"$work/expected"
same "$work/expected" "$work/first" "passthrough of random bytes"
run 0 npu run "$work/passthrough.pdi" "$stream" --arg 0="$work/in" --out 1="$work/second" --runs 3
same "$work/first" "$work/second" "the PDI, three runs"
has out "run 3: "

run 0 npu run "$image" "$stream" --timed
has out "(simulated)"
run 0 npu run "$image" "$stream" --json --trace "$work/trace.json"
has out '"simulated"'
grep -q '"traceEvents"' "$work/trace.json" || fail "the trace has no events"

run 1 npu run "$image" "$stream" --arg 0=4
has err "of bo0, which has 0x4"
run 1 npu run "$stream" "$image"
run 1 npu run "$image" "$image"
run 1 npu run "$work/missing.xclbin" "$stream"
has err "no such file"
run 2 npu run "$image"
has err "an instruction stream is missing"
run 2 npu run "$image" "$stream" --arg nonsense
has err "--arg: 'nonsense' is not N=VALUE"
run 2 npu run "$image" "$stream" --arg 0=random:many
has err "is not random:SIZE"
run 2 npu run "$image" "$stream" --out 9="$work/none"
has err "there is no bo9"
head -c 100 "$stream" >"$work/cut"
run 1 npu run "$image" "$work/cut"

finish
