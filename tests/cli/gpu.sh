#!/usr/bin/env bash
# The GPU path without a GPU: the emulator executes the kernels and the text is the CPU's, token for token. Where the
# machine has a GPU, it is held to the same. EMULATED, the last argument's folder, holds a HIP library over the emulator.
source "$(dirname "$0")/lib.sh" "$@"

box=$(box_model)
emulated=$(dirname "${program[-1]}")/tests/gpu/emulated
prompts=("In the beginning" "It is a truth" "And the king said unto the people, Behold, the days come when ye shall have no more corn, neither wine"
  "She was not handsome, but her manners were such as to please every one who")

generate() { run 0 run -m "$box" --no-display-prompt --temp 0 -n 64 --ignore-eos "$@"; }

devices=(gpu-sim)
if onebit run -m "$box" -p x -n 1 --quiet --device gpu >/dev/null 2>&1; then devices+=(gpu); fi
echo "devices: ${devices[*]}"

for i in "${!prompts[@]}"; do
  generate -p "${prompts[i]}" --device cpu
  cp "$work/out" "$work/cpu.$i"
  tokens=$(onebit tokenize -m "$box" -p "${prompts[i]}" --ids | wc -w)
  for device in "${devices[@]}"; do
    # Both phases there.
    generate -p "${prompts[i]}" --device "$device" --strict --stats
    same "$work/cpu.$i" "$work/out" "prompt $i on $device"
    has err "prefill on $device, decode on $device"
    has err ": 65 passes with $((tokens + 64)) tokens, "
    has err " 0 fallbacks to the CPU"
    # The mission's mode: the prompt on the NPU, its keys and values handed over once.
    generate -p "${prompts[i]}" --prefill-on npu-sim --decode-on "$device" --strict --stats
    same "$work/cpu.$i" "$work/out" "prompt $i on npu-sim, then $device"
    has err "prefill on npu-sim, decode on $device"
    has err "KV cache handed to the GPU: $tokens positions"
    has err ": 64 passes with 64 tokens, "
  done
done
cmp -s "$work/cpu.0" "$work/cpu.1" && fail "two prompts gave the same text"

# Packings, cache types, drawn tokens, several batches: one prompt each.
for device in "${devices[@]}"; do
  for args in "--gpu-packing 2" "--gpu-packing 1.6" "-b 7" "--kv f32" "--kv q8" "--temp 0.8 --seed 11" "--temp 0.9 --top-k 3 --seed 5" "--repeat-penalty 1.3"; do
    # shellcheck disable=SC2086
    run 0 run -m "$box" --no-display-prompt --temp 0 -n 24 -p "${prompts[2]}" $args --device cpu
    cp "$work/out" "$work/cpu"
    # shellcheck disable=SC2086
    run 0 run -m "$box" --no-display-prompt --temp 0 -n 24 -p "${prompts[2]}" $args --device "$device" --strict
    same "$work/cpu" "$work/out" "$args on $device"
  done
done

# Weights that are not ternary.
run 0 quantize "$box" "$work/f16.gguf" F16
run 0 run -m "$work/f16.gguf" -p "In the" -n 8 --temp 0 --quiet --device cpu
cp "$work/out" "$work/cpu"
run 0 run -m "$work/f16.gguf" -p "In the" -n 8 --temp 0 --quiet --device gpu-sim
same "$work/cpu" "$work/out" "F16 weights"

# Without a GPU: by name an error with its reason, otherwise the CPU, said once.
if [ "${#devices[@]}" = 1 ]; then
  run 1 run -m "$box" -p x -n 1 --device gpu
  has err "no GPU can be used: no HIP library: "
  has err "no CUDA library: "
  run 1 run -m "$box" -p x -n 1 --decode-on gpu
  generate -p "${prompts[0]}" --device auto --strict --stats
  same "$work/cpu.0" "$work/out" "auto without a GPU"
  has err "no GPU, 1 fallback to the CPU: no GPU can be used: "
  [ "$(grep -c "no GPU" "$work/err")" = 1 ] || fail "the missing GPU is not said once"
fi
run 2 run -m "$box" -p x -n 1 --prefill-on gpu --decode-on gpu-sim
run 2 run -m "$box" -p x -n 1 --gpu-packing 3

# A HIP library over the emulator: found by its name, a code object loaded, and lost in the middle of a text.
export LD_LIBRARY_PATH=$emulated${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
if onebit run -m "$box" -p x -n 1 --device gpu >/dev/null 2>"$work/err"; then
  generate -p "${prompts[0]}" --device auto --stats
  same "$work/cpu.0" "$work/out" "auto with a GPU"
  has err "prefill on gpu, decode on gpu"
  has err "Emulated GPU (gfx1151, 1.6-bit weights)"
  # Recording two graphs takes some 130 launches, then each step is one.
  export ONEBIT_STUB_LAUNCHES=150
  generate -p "${prompts[0]}" --device auto --stats
  same "$work/cpu.0" "$work/out" "auto with a GPU that is lost"
  has err "1 fallbacks to the CPU"
  has err "first failure on the GPU: Emulated GPU: launching a graph: unspecified launch failure (719)"
  run 1 run -m "$box" -p "${prompts[0]}" -n 64 --temp 0 --device auto --strict
  has err "the GPU failed and the CPU did its work"
  run 1 run -m "$box" -p "${prompts[0]}" -n 64 --temp 0 --device gpu
  has err "launching a graph: unspecified launch failure (719)"
  # A server that loses it in the middle of three texts finishes them on the CPU.
  onebit run -m "$box" -p "In the beginning" -n 24 --temp 0 --quiet --device cpu >"$work/served.cpu"
  ONEBIT_STUB_LAUNCHES=250 onebit serve -m "$box" --port 0 --parallel 3 -t 1 >"$work/serve.log" 2>&1 &
  server=$!
  for _ in $(seq 600); do port=$(sed -n 's|.*127\.0\.0\.1:||p' "$work/serve.log"); [ -z "$port" ] || break; sleep 0.1; done
  request='{"prompt":"In the beginning","max_tokens":24,"temperature":0}'
  ask() {  # PATH [BODY]
    local body=${2:-} method=GET
    [ -z "$body" ] || method=POST
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
      "$method" "$1" "${#body}" "$body" >&3
    cat <&3
  }
  # How many launches three texts take depends on how often they share one: rounds until the GPU is gone.
  lost='onebit_fallbacks_total{device="gpu"} 1'
  for _ in $(seq 12); do
    texts=()
    for i in 1 2 3; do (ask /v1/completions "$request" >"$work/served.$i") & texts+=($!); done
    wait "${texts[@]}"
    for i in 1 2 3; do
      sed -n 's/.*"text":"\([^"]*\)".*/\1/p' "$work/served.$i" | tr -d '\n' >"$work/served.text"
      same "$work/served.cpu" "$work/served.text" "text $i of a server whose GPU is lost"
    done
    (ask /metrics >"$work/err")
    ! grep -qF "$lost" "$work/err" || break
  done
  has err "$lost"
  kill "$server" && wait "$server" || true
else
  has err "built without GPU code objects"
fi
finish
