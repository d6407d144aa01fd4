# Sourced by the command-line tests: `source lib.sh "$@"` with arguments SOURCE WORK ONEBIT...
# ONEBIT may be several words, since an emulator may have to run the program.
set -euo pipefail
source_dir=$1
work=$2/$(basename "$0" .sh)
shift 2
program=("$@")
rm -rf "$work"
mkdir -p "$work"
failures=0
checks=0

onebit() { "${program[@]}" "$@"; }

fail() { echo "FAILED: $*"; failures=$((failures + 1)); }

# run STATUS ARGS...: runs onebit with ARGS, output to $work/out and $work/err; the exit status must be STATUS.
# No run may end by a signal or leave a message without the name of the verb.
run() {
  local wanted=$1 status=0
  shift
  checks=$((checks + 1))
  timeout 120 "${program[@]}" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
  if [ "$status" -ne "$wanted" ]; then
    fail "onebit $* gave $status, expected $wanted"
    head -c 600 "$work/err"
    return 0
  fi
  if [ "$wanted" -eq 1 ] && ! grep -q "^onebit $1: " "$work/err"; then fail "onebit $*: no message on stderr"; fi
}

# has FILE TEXT: the file of the last run (out or err) contains the text.
has() {
  checks=$((checks + 1))
  grep -qF -- "$2" "$work/$1" || { fail "std$1 has no '$2':"; head -c 600 "$work/$1"; }
}

# same A B WHAT: two files hold the same bytes, and some.
same() {
  checks=$((checks + 1))
  [ -s "$1" ] || { fail "$3: empty"; return 0; }
  cmp -s "$1" "$2" || fail "$3: $(basename "$1") and $(basename "$2") differ"
}

# The model in the box.
box_model() {
  local models=("$source_dir"/models/*.gguf)
  [ -f "${models[0]}" ] || { echo "no model in models/"; exit 1; }
  echo "${models[0]}"
}

verbs() { onebit --help | sed -n 's/^  \([a-z]\{1,\}\)  .*/\1/p'; }

finish() {
  echo "$checks checks, $failures failed"
  [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
}
