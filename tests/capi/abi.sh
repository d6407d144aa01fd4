#!/usr/bin/env bash
# The library's binary interface is the committed one: functions, and the types of the header that they reach (abidw and
# abidiff, package abigail-tools). usage: abi.sh SOURCE LIBRARY [update]
set -euo pipefail
header=$1/include/onebit baseline=$1/src/capi/libonebit.abi library=$2
if ! command -v abidiff >/dev/null; then echo "abidiff is missing: package abigail-tools"; exit 77; fi
if [ "$(uname -m)" != x86_64 ] || readelf -p .comment "$library" | grep -i clang >/dev/null; then
  echo "the baseline is of g++ on x86-64"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
abidw --headers-dir "$header" --drop-private-types --exported-interfaces-only --no-corpus-path --no-comp-dir-path --no-show-locs \
  --no-elf-needed --out-file "$work/abi" "$library"
# Without debug information abidw sees names only.
grep -q "class-decl name='onebit_session_info' size-in-bits='192'" "$work/abi" || { echo "no types in the library's debug information"; exit 1; }
if [ "${3:-}" = update ]; then cp "$work/abi" "$baseline"; fi

status=0
abidiff --no-show-locs "$baseline" "$work/abi" || status=$?
# Bits 0 and 1: abidiff failed; bit 2: a change; bit 3: one that is surely incompatible.
if [ $((status & 3)) -ne 0 ]; then echo "abidiff failed"; exit 1; fi
if [ $((status & 8)) -ne 0 ]; then
  echo "An incompatible change: programs that were compiled before it break. It needs a new SONAME, or not to be made."
  exit 1
fi
if [ $status -ne 0 ]; then
  echo "The interface changed. Where that is meant and compatible: $0 SOURCE LIBRARY update"
  exit 1
fi

# The controls: a function that went and a struct that changed are seen.
control() {  # WHAT SED
  sed "$2" "$baseline" >"$work/control"
  if cmp -s "$work/control" "$baseline"; then echo "the control '$1' changed nothing"; exit 1; fi
  if abidiff --no-show-locs "$work/control" "$work/abi" >"$work/log"; then echo "not seen: $1"; exit 1; fi
}
control "a function that went" 's/onebit_session_top/onebit_session_best/g'
control "another size" "s/name='onebit_session_info' size-in-bits='192'/name='onebit_session_info' size-in-bits='256'/"
control "another number" "s/name='ONEBIT_ERROR_BUSY' value='10'/name='ONEBIT_ERROR_BUSY' value='20'/"
echo "the same interface: $(grep -c '<function-decl' "$baseline") functions"
