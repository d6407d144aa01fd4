#!/usr/bin/env bash
# onebit npu evaluate in the simulator: every section, what every figure is called, the verdict's table. No time is looked at.
source "$(dirname "$0")/lib.sh" "$@"

golden=$source_dir/tests/data/evaluate/tiny.txt

run 0 npu evaluate --device npu-sim --quick --shape tiny --threads 2 --powercap "$work/none" -o "$work/report.md"
has err "report.svg"
cp "$work/report.md" "$work/out"
{
  sed -nE '/^## Verdict/d; s/^(## [^(]*[^ (]).*/\1/p; s/^\| ([^|]*) \| [^|]* \| (measured|simulated|estimated) \|.*/\1: \2/p' "$work/report.md"
  echo "# criteria"
  sed -nE 's/^\| ([^|]*) \| (at most [^|]*|at least [^|]*|no element differs|less than on the CPU) \|.*/\1: \2/p' "$work/report.md"
} >"$work/skeleton.txt"
[ -z "${UPDATE_GOLDEN:-}" ] || cp "$work/skeleton.txt" "$golden"
same "$golden" "$work/skeleton.txt" "sections, labels and criteria"
has out "| pass | scalar oracle"
has out " 0 wrong"
has out "no RAPL package"
has out "](report.svg)"
# Without an NPU nothing of it is measured; what the CPU did is.
checks=$((checks + 1))
if grep '| measured |' "$work/report.md" | grep -qv '^| CPU'; then fail "a figure of the simulator is called measured"; fi
for text in '<svg ' '</svg>' '(simulated)</title>' '(estimated)</title>' '(published)</title>'; do
  checks=$((checks + 1))
  grep -qF "$text" "$work/report.svg" || fail "the plot has no '$text'"
done

# A folder is made; JSON has the same verdict table, and the model's own prompts where there is a model.
onebit synth tiny "$work/tiny.gguf" --type I2_S
run 0 npu evaluate --device npu-sim --quick -m "$work/tiny.gguf" -o "$work/made/here" --json
has out '"label": "simulated"'
has out '"prefill.whole.cpu.ms.128"'
has out '"criteria"'
checks=$((checks + 1))
[ -s "$work/made/here/npu-evaluate.md" ] && [ -s "$work/made/here/npu-evaluate.svg" ] || fail "no report in a folder"

# Energy counters that a machine has, here of a made-up one.
mkdir -p "$work/powercap/intel-rapl:0"
echo 1000000 >"$work/powercap/intel-rapl:0/max_energy_range_uj"
echo 5 >"$work/powercap/intel-rapl:0/energy_uj"
run 0 npu evaluate --device npu-sim --quick --shape tiny --powercap "$work/powercap"
has out "# NPU evaluation"
has out "counters there"

run 2 npu evaluate --shape no-such-shape
has err "bitnet-2b-4t"
run 2 npu evaluate --device abacus
run 2 npu evaluate -m "$work/tiny.gguf" --shape tiny
run 1 npu evaluate --device npu-sim -m "$work/absent.gguf"
run 1 npu evaluate --device npu-sim --quick --shape tiny -o "$work/tiny.gguf/below"

finish
