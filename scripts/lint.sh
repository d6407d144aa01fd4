#!/usr/bin/env bash
# clang-tidy (.clang-tidy) and cppcheck over our own sources, as BUILD/compile_commands.json compiles them.
# usage: scripts/lint.sh BUILD JOBS
set -euo pipefail
cd "$(dirname "$(dirname "$(realpath "$0")")")"
build=$1 jobs=$2 failed=0

# Tests and fuzz targets are left to the compiler's warnings: GoogleTest's macros expand to what the checks are made against,
# and a fuzz target throws results away.
mapfile -t files < <(grep -o '"file": "[^"]*"' "$build/compile_commands.json" | cut -d'"' -f4 | sort -u |
                     grep -E "^$PWD/(src|apps|tools)/" | grep -v '_test\.cpp$')
if [ ${#files[@]} -eq 0 ]; then echo "lint: nothing to look at in $build" >&2; exit 1; fi

echo "clang-tidy: ${#files[@]} files"
printf '%s\0' "${files[@]}" |
  xargs -0 -P "$jobs" -n 1 clang-tidy-22 -p "$build" --quiet --warnings-as-errors='*' 2>"$build/lint.log" || failed=1
[ $failed -eq 0 ] || grep -v 'warnings generated\|Suppressed\|Use -header-filter' "$build/lint.log" >&2 || true

echo "cppcheck"
cppcheck --quiet --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
  --suppressions-list=.cppcheck -j "$jobs" --error-exitcode=1 -I src -I apps/onebit --template=gcc \
  "${files[@]}" || failed=1
exit $failed
