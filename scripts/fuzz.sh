#!/usr/bin/env bash
# Runs every fuzz_* program below BUILD for SECONDS, JOBS at a time, from fuzz/corpus/NAME.
# usage: scripts/fuzz.sh BUILD SECONDS JOBS
# A finding is left as BUILD/findings/NAME-*; new inputs go to BUILD/corpus/NAME, never to the tree.
set -euo pipefail
build=$(realpath "$1") seconds=$2 jobs=$3
tree=$(dirname "$(dirname "$(realpath "$0")")")

one() {  # BUILD SECONDS TREE PROGRAM
  local name=${4##*/fuzz_}
  local log=$1/fuzz-$name.log seed=$3/fuzz/corpus/$name
  mkdir -p "$1/corpus/$name" "$1/findings"
  if [ ! -d "$seed" ]; then echo "fuzz_$name: no corpus at fuzz/corpus/$name"; return 1; fi
  if ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
     "$4" -max_total_time="$2" -timeout=10 -rss_limit_mb=3000 -print_final_stats=1 \
     -artifact_prefix="$1/findings/$name-" "$1/corpus/$name" "$seed" >"$log" 2>&1; then
    echo "fuzz_$name: $(sed -n 's/stat::number_of_executed_units: *//p' "$log") runs, nothing found"
  else
    tail -n 60 "$log"
    echo "fuzz_$name: FAILED, input kept in $1/findings"
    return 1
  fi
}
export -f one

mapfile -t programs < <(find "$build" -type f -executable -name 'fuzz_*' | sort)
if [ ${#programs[@]} -eq 0 ]; then echo "fuzz: no fuzz_* program in $build" >&2; exit 1; fi
printf '%s\0' "${programs[@]}" | xargs -0 -P "$jobs" -I{} bash -c 'one "$@" || exit 1' one "$build" "$seconds" "$tree" {}
