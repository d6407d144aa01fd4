#!/usr/bin/env bash
# Runs a command with a PATH on which Python and its kin are traps: a trap writes down who called it and
# fails. Whatever the command's own exit status, one sprung trap is a failure.
# usage: scripts/no-interpreter.sh COMMAND ARGS...
# Client tests need node: tests/clients/run.sh takes the traps (ONEBIT_TRAPS) off its own PATH.
set -euo pipefail
traps=$(mktemp -d)
trap 'rm -rf "$traps"' EXIT
export ONEBIT_TRAPS=$traps/bin
mkdir "$ONEBIT_TRAPS"

# What is on PATH (python3.11, pypy...) and the usual names even where nothing of that name is installed.
names=$(IFS=:; for d in $PATH; do ls "$d" 2>/dev/null; done |
        grep -E '^(python|pypy|ipython|perl|ruby|lua|luajit|tclsh|php|node|nodejs|guile|Rscript)[0-9.]*$' || true)
for name in $names python python2 python3 perl ruby lua tclsh php node nodejs; do
  cat >"$ONEBIT_TRAPS/$name" <<TRAP
#!/bin/sh
echo "$name \$* (called by: \$(tr '\\0' ' ' </proc/\$PPID/cmdline))" | tee -a "$traps/sprung" >&2
exit 97
TRAP
  chmod +x "$ONEBIT_TRAPS/$name"
done

status=0
PATH=$ONEBIT_TRAPS:$PATH "$@" || status=$?
if [ -s "$traps/sprung" ]; then
  echo "no-interpreter: an interpreter was called:" >&2
  sort "$traps/sprung" | uniq -c >&2
  exit 97
fi
exit $status
