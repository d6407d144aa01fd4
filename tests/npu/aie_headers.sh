#!/bin/sh
# aie_headers.sh DOCUMENT SOURCE_DIR KERNEL.cpp...
#
# With a checkout of Xilinx/aie_api in AIE_API_ROOT: every header in the table of DOCUMENT is there and has the names of its
# row; every shape of aie::mmul in the kernels is specialised for these types; with the device compiler in PEANO_INSTALL_DIR
# as well, each kernel passes its syntax and template check against these headers. Skipped (77) without AIE_API_ROOT.
set -eu
document=$1 source_dir=$2
shift 2
[ -n "${AIE_API_ROOT:-}" ] || { echo "AIE_API_ROOT is not set: not checked"; exit 77; }
include=$AIE_API_ROOT/include
[ -e "$include/aie_api/aie.hpp" ] || { echo "$include/aie_api/aie.hpp: not there"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# Rows as "names|headers", backquotes taken away.
sed -n '/^## Names of aie_api in use/,/^## [^N]/p' "$document" | grep '^| `' | awk -F'|' '{print $2 "|" $4}' | tr -d '`' > "$work/rows"
[ -s "$work/rows" ] || { echo "$document: no table of names"; exit 1; }
while IFS='|' read -r names headers; do
  files=""
  for header in $(echo "$headers" | tr ',' ' '); do
    if [ -e "$include/aie_api/$header" ]; then files="$files $include/aie_api/$header"
    else echo "aie_api/$header: not there"; status=1; fi
  done
  for name in $(echo "$names" | tr ',' ' '); do
    # shellcheck disable=SC2086
    [ -z "$files" ] || grep -qwF "${name##*[:.]}" $files || { echo "$name: in none of$(echo "$files" | sed "s|$include/||g")"; status=1; }
  done
done < "$work/rows"

kind() { case $1 in int8 | uint8) echo 8 ;; int4 | uint4) echo 4 ;; int16 | uint16) echo 16 ;; bfloat16) echo bf16 ;; *) echo "$1" ;; esac; }
sed 's|//.*||' "$@" | grep -ohE 'aie::mmul<[0-9]+, [0-9]+, [0-9]+, [a-z0-9]+, [a-z0-9]+' | sort -u | sed 's/aie::mmul<//; s/,//g' > "$work/shapes"
while read -r m k n a b; do
  file=detail/aie2p/mmul_$(kind "$a")_$(kind "$b")
  grep -qE "${file##*/}<$m, $k, $n," "$include/aie_api/$file.hpp" 2>/dev/null || { echo "mmul<$m, $k, $n, $a, $b>: not in aie_api/$file.hpp"; status=1; }
done < "$work/shapes"

if [ -n "${PEANO_INSTALL_DIR:-}" ]; then
  for kernel in "$@"; do
    "$PEANO_INSTALL_DIR/bin/clang++" --target=aie2p-none-unknown-elf -std=c++20 -O2 -fsyntax-only -DAIE_API_EMULATE_BFLOAT16_MMUL_WITH_BFP16=1 \
      -Wno-parentheses -Wno-attributes -Wno-macro-redefined -Wno-empty-body "-I$source_dir/src" "-I$include" "$kernel" || status=1
  done
else
  echo "PEANO_INSTALL_DIR is not set: names and shapes only"
fi
exit $status
