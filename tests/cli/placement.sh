#!/usr/bin/env bash
# Prompts on the simulated NPU: the same tokens as on the CPU, every linear layer of the prompt having run there.
source "$(dirname "$0")/lib.sh" "$@"

box=$(box_model)
head -c 4000 "$source_dir/models/heldout.txt" >"$work/text"
onebit tokenize -m "$box" -f "$work/text" --ids >"$work/ids"

# text of exactly N tokens, the first one that the model adds counted
prompt() { cut -d' ' -f1-"$1" "$work/ids" | onebit tokenize -m "$box" --decode; }

generate() { run 0 run -m "$box" -f "$work/prompt" -n 12 --temp 0 --no-display-prompt "$@"; }

for tokens in 1 31 32 33 128 500; do
  prompt "$tokens" >"$work/prompt"
  generate --device cpu
  cp "$work/out" "$work/cpu"
  has err "prompt $(onebit tokenize -m "$box" -f "$work/prompt" --ids | wc -w) tokens"
  for share in 0 30 100; do
    generate --device npu-sim --npu-share $share --strict --stats
    same "$work/cpu" "$work/out" "$tokens tokens, $share % of the rows"
    has err "prefill on npu-sim, decode on cpu"
    has err "$share % of the rows"
    has err " 0 calls failed"
    if [ "$share" = 0 ]; then has err " 0 dispatches"; else
      if grep -q " 0 dispatches" "$work/err"; then fail "$tokens tokens, $share %: nothing ran on the NPU"; fi
    fi
    # matrix, prefill npu, prefill cpu, decode npu, decode cpu
    while read -r kind npu cpu decode_npu _; do
      checks=$((checks + 1))
      case $share in
        0) [ "$npu" = 0 ] && [ "$cpu" -gt 0 ] ;;
        30) [ "$npu" -gt 0 ] && [ "$cpu" -gt 0 ] ;;
        100) [ "$npu" -gt 0 ] && [ "$cpu" = 0 ] ;;
      esac || fail "$tokens tokens, $share %: $kind ran $npu times on the NPU, $cpu times on the CPU"
      [ "$decode_npu" = 0 ] || fail "decode of $kind ran on the NPU"
    done < <(grep -E '^(attn|ffn)_' "$work/err")
    [ "$(grep -cE '^(attn|ffn)_' "$work/err")" = 7 ] || fail "--stats does not list seven kinds of matrices"
  done
done

# Generation there too, several batches, and what cannot be.
prompt 40 >"$work/prompt"
generate --device cpu
cp "$work/out" "$work/cpu"
generate --prefill-on npu-sim --decode-on npu-sim -b 7 --strict
same "$work/cpu" "$work/out" "prefill and decode on npu-sim, batches of 7"
generate --prefill-on cpu --decode-on npu-sim --strict
same "$work/cpu" "$work/out" "decode on npu-sim"
generate --device auto
same "$work/cpu" "$work/out" "auto"
run 1 run -m "$box" -p x -n 1 --device npu
run 2 run -m "$box" -p x -n 1 --device gpx
run 2 run -m "$box" -p x -n 1 --npu-share 101
run 2 run -m "$box" -p x -n 1 --prefill-on npu --decode-on npu-sim

# Weights that are not ternary stay on the CPU: an error only when asked for.
run 0 quantize "$box" "$work/f16.gguf" F16
run 0 run -m "$work/f16.gguf" -p "In the" -n 2 --temp 0 --device npu-sim
run 1 run -m "$work/f16.gguf" -p "In the" -n 2 --temp 0 --device npu-sim --strict
has err "its weights are not ternary"
finish
