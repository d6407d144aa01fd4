#!/usr/bin/env bash
# The model in the box predicts its held-out text as well as its card says, and a model is no distance from itself.
source "$(dirname "$0")/lib.sh" "$@"

box=$(box_model)
field() { sed -n "s/.*\"$1\": \([0-9.e+-]*\).*/\1/p" "$work/out"; }
near() {  # VALUE EXPECTED RELATIVE WHAT
  checks=$((checks + 1))
  awk -v a="$1" -v b="$2" -v r="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a != "" && d <= r * b) }' ||
    fail "$4 is '$1', expected $2 within $3"
}

card=$(sed -n 's/.*`onebit perplexity .*heldout.*| *\([0-9.]*\) *| *\([0-9.]*\) *| *\([0-9.]*\) *|$/\2 \3/p' "$source_dir/models/README.md")
read -r perplexity bits <<<"$card"
run 0 perplexity -m "$box" -f "$source_dir/models/heldout.txt" -c 512 --json
near "$(field perplexity)" "$perplexity" 0.001 "held-out perplexity"
near "$(field bits_per_byte)" "$bits" 0.001 "held-out bits per byte"

head -c 2000 "$source_dir/models/heldout.txt" >"$work/text"
run 0 perplexity -m "$box" -f "$work/text" --kl-base "$work/base.kl" --json
whole=$(field perplexity)
run 0 perplexity -m "$box" -f "$work/text" --kl "$work/base.kl" --json
near "$(field perplexity)" "$whole" 0 "perplexity, again"
has out '"same_top": 1.0'
kl=$(field kl_mean)
checks=$((checks + 1))
awk -v k="$kl" 'BEGIN { exit !(k != "" && k < 1e-9 && k > -1e-9) }' || fail "KL of a model from itself is '$kl'"
# An 8-bit cache is another model, but not by much.
run 0 perplexity -m "$box" -f "$work/text" --kl "$work/base.kl" --kv q8 --json
checks=$((checks + 1))
awk -v k="$(field kl_mean)" 'BEGIN { exit !(k > 1e-9 && k < 1e-2) }' || fail "KL of the 8-bit cache is '$(field kl_mean)'"

# A base of another text, window or length is refused by name.
head -c 1900 "$work/text" >"$work/other"
run 1 perplexity -m "$box" -f "$work/other" --kl "$work/base.kl"
run 1 perplexity -m "$box" -f "$work/text" -c 100 --kl "$work/base.kl"
has err "windows of"
head -c 100000 "$work/base.kl" >"$work/short.kl"
run 1 perplexity -m "$box" -f "$work/text" --kl "$work/short.kl"
finish
