#!/usr/bin/env bash
# The layout of the interface is the committed one. usage: layout.sh PROGRAM LAYOUT
set -euo pipefail
if [ "$(uname -m)" != x86_64 ] && [ "$(uname -m)" != aarch64 ]; then echo "a 64-bit machine is needed"; exit 1; fi
if ! diff -u "$2" <("$1"); then
  echo "The layout differs from $2. Structs grow at their end, numbers never change; then write the file anew: $1 >$2"
  exit 1
fi
[ "$(wc -l <"$2")" -gt 100 ]
