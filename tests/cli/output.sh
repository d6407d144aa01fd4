#!/usr/bin/env bash
# What programs read: --quiet, --json, ids, and seeds that repeat.
source "$(dirname "$0")/lib.sh" "$@"

box=$(box_model)

run 0 run -m "$box" -p "And God said" -n 12 --temp 0 --quiet
cp "$work/out" "$work/text"
[ ! -s "$work/err" ] || fail "--quiet wrote to stderr"
grep -q "And God said" "$work/text" && fail "--quiet printed the prompt"
run 0 run -m "$box" -p "And God said" -n 12 --temp 0
has out "And God said$(head -n 1 "$work/text")"
has err "tok/s"
run 0 run -m "$box" -p "And God said" -n 12 --temp 0 --json
has out '"prompt_tokens"'
printf 'And God said' >"$work/prompt"
run 0 run -m "$box" -f "$work/prompt" -n 12 --temp 0 --quiet
same "$work/text" "$work/out" "prompt from a file"
onebit run -m "$box" -f - -n 12 --temp 0 --quiet <"$work/prompt" >"$work/piped"
same "$work/text" "$work/piped" "prompt from stdin"

run 0 run -m "$box" -p "And" -n 24 --seed 11 --temp 1 --quiet
cp "$work/out" "$work/seed11"
run 0 run -m "$box" -p "And" -n 24 -s 11 -temp 1 --quiet
same "$work/seed11" "$work/out" "the same seed"
run 0 run -m "$box" -p "And" -n 24 --seed 12 --temp 1 --quiet
cmp -s "$work/seed11" "$work/out" && fail "two seeds gave the same text"

# Encoding and decoding are inverse, for one text and line by line.
text='Blessed are the meek: for they shall inherit the earth. Naïve 12345 – ☃'
run 0 tokenize -m "$box" -p "$text" --ids
grep -qE '^[0-9]+( [0-9]+)*$' "$work/out" || fail "--ids: not numbers separated by spaces"
cp "$work/out" "$work/ids"
run 0 tokenize -m "$box" -p "$(cat "$work/ids")" --decode
[ "$(cat "$work/out")" = "$text" ] || fail "decode(encode(x)) is not x: $(cat "$work/out")"
printf 'one\ntwo words\nthree\n' | onebit tokenize -m "$box" --ids --lines >"$work/lines"
[ "$(wc -l <"$work/lines")" -eq 3 ] || fail "--lines: three lines of stdin gave $(wc -l <"$work/lines") lines"
# Bytes that are no UTF-8 survive.
printf 'a\377\376b\300' >"$work/bytes"
run 0 tokenize -m "$box" -f "$work/bytes" --ids

run 0 logits -m "$box" --ids "5 6 7" --top 4 --json
[ "$(grep -o '"logprob"' "$work/out" | wc -l)" -eq 12 ] || fail "logits: expected 3 positions of 4"

run 0 info -m "$box" --json
has out '"architecture"'
run 0 info -m "$box"
has out "bitnet"

# A reader that goes away is no crash.
set +o pipefail
onebit run -m "$box" -p "And" -n 64 --temp 0 --quiet 2>/dev/null | head -c 1 >/dev/null
set -o pipefail
# A full disk is an error.
checks=$((checks + 1))
if onebit run -m "$box" -p "And" -n 4 --temp 0 --quiet >/dev/full 2>"$work/err"; then fail "writing to a full disk succeeded"; fi
has err "stdout"

# Past the context: a clear error or a clean end, never text from nowhere.
run 0 run -m "$box" -p "And" -n -1 -c 32 --temp 0 --quiet --ignore-eos
run 1 run -m "$box" -p "$(printf 'and %.0s' {1..100})" -n 1 -c 32 --temp 0 --quiet
has err "context"

finish
