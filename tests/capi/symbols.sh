#!/usr/bin/env bash
# libonebit.so exports the functions of the header, each with a version, and nothing else; it needs what a Debian system has.
# usage: symbols.sh SOURCE LIBRARY
set -euo pipefail
declared=$(grep -o '^ONEBIT_API [^(]*(' "$1/include/onebit/onebit.h" | grep -o 'onebit_[a-z0-9_]*(' | tr -d '(' | sort)
mapped=$(sed -n 's/^    \(onebit_[a-z0-9_]*\);$/\1/p' "$1/src/capi/libonebit.map" | sort)
dynamic=$(nm -D --defined-only "$2")
exported=$(awk '$2 != "A" { print $3 }' <<<"$dynamic" | sort)
diff -u <(echo "$declared") <(echo "$mapped") || { echo "onebit.h and libonebit.map name different functions"; exit 1; }
diff -u <(sed 's/$/@@ONEBIT_0.1/' <<<"$declared") <(echo "$exported") || { echo "$2 exports other symbols than onebit.h declares"; exit 1; }
[ "$(wc -l <<<"$exported")" -gt 40 ]
readelf -d "$2" | grep -q 'SONAME.*\[libonebit.so.0\]' || { echo "SONAME is not libonebit.so.0"; exit 1; }
if readelf -d "$2" | grep -E 'RPATH|RUNPATH'; then echo "the library has a run path"; exit 1; fi
echo "$(wc -l <<<"$exported") functions"
