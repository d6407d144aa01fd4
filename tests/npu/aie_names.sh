#!/bin/sh
# aie_names.sh DOCUMENT KERNEL.cpp...
#
# Every name of aie_api that a kernel uses stands in the document's table, and kernels use nothing that only the host has:
# names `aie::x` and members of its types, as `x` or `.x` between backquotes.
set -eu
document=$1
shift
status=0
for name in $(sed 's|//.*||' "$@" | grep -oE 'aie::[a-z_0-9]+' | sort -u); do
  grep -qF "\`$name\`" "$document" || { echo "$document: no row for $name"; status=1; }
done
for name in $(sed 's|//.*||' "$@" | grep -oE '\.[a-z_]+(<[^>;()]*>)?\(' | sed 's/[<(].*//' | sort -u); do
  grep -qF "\`$name\`" "$document" || { echo "$document: no row for the member $name"; status=1; }
done
for name in $(sed 's|//.*||' "$@" | grep -oE '\b(acc32|acc64|accfloat|uint4|int4|bfloat16)\b' | sort -u); do
  grep -qF "\`$name\`" "$document" || { echo "$document: no row for the type $name"; status=1; }
done
for file in "$@"; do
  if grep -nE '\bstd::|\bthrow\b|\bnew\b|\bstatic_cast<(uint64_t|double)>' "$file" | grep -v '^[0-9]*: *//'; then
    echo "$file: a construct of the host"
    status=1
  fi
  if grep -E '^#include' "$file" | grep -vE '<aie_api/aie.hpp>|"npu/kernels/kernels.h"'; then
    echo "$file: includes more than aie_api and the kernels' header"
    status=1
  fi
done
exit $status
