#!/usr/bin/env bash
# Exit statuses and help: 0 done, 1 failed, 2 usage; every verb explains itself with an example.
source "$(dirname "$0")/lib.sh" "$@"

run 2
has err "usage: onebit VERB"
run 0 --help
has out "usage: onebit VERB"
run 0 --version
has out "onebit "
run 2 nonsense
has err "unknown verb 'nonsense'"

for verb in run chat bench info quantize perplexity tokenize synth logits; do
  verbs | grep -qx "$verb" || fail "onebit --help does not list '$verb'"
done

explains_itself() {  # VERB [SUBVERB]
  run 0 "$@" --help
  has out "usage: onebit $*"
  has out "example: onebit $*"
  cp "$work/out" "$work/help"
  run 0 "$@" -h
  same "$work/help" "$work/out" "$* -h"
  run 2 "$@" --no-such-flag
  has err "--no-such-flag"
  has err "onebit $1 "
}
for verb in $(verbs); do
  run 0 "$verb" --help
  if grep -q "^usage: onebit $verb SUBVERB" "$work/out"; then
    for sub in $(sed -n 's/^  \([a-z]\{1,\}\)  .*/\1/p' "$work/out"); do explains_itself "$verb" "$sub"; done
  else
    explains_itself "$verb"
  fi
done

# A flag's value is checked before a model is opened, and named with its range.
run 2 run -m missing.gguf -n many
has err "-n: 'many' is not an integer"
run 2 run -m missing.gguf --temp nan
has err "--temp: 'nan' is not a number"
run 2 run -m missing.gguf --temp -1
run 2 run -m missing.gguf -t -1
run 2 run -m missing.gguf -t 99999999999999999999
run 2 run -m missing.gguf -b 0
run 2 run -m missing.gguf --top-p 1.5
run 2 run -m missing.gguf --kv f8
run 2 run -m missing.gguf --isa mmx
run 2 run -p hello
run 2 run -m missing.gguf -p a -f b
run 2 logits -m missing.gguf --ids "1 x"
run 2 synth
run 2 synth no-such-shape "$work/x.gguf"
[ ! -e "$work/x.gguf" ] || fail "synth left a file behind"

finish
