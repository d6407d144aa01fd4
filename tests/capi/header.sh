#!/usr/bin/env bash
# The header compiles alone, as C from 1999 on and as C++ from 1998 on, with every compiler there is, without a warning, and
# no struct of it has padding (a member added there would lie inside an older caller's struct).
# usage: header.sh SOURCE
set -euo pipefail
tried=0
compile() { "$@" -pedantic -Wall -Wextra -Wpadded -Wundef -Werror -fsyntax-only "$header"; tried=$((tried + 1)); }
header=$1/include/onebit/onebit.h
for cc in gcc clang-19; do
  command -v $cc >/dev/null || continue
  for std in c99 c11 c17; do compile $cc -std=$std -Wstrict-prototypes -Wconversion -x c; done
  for std in c++98 c++11 c++20; do compile $cc -std=$std -x c++; done
done
# The control.
if printf 'struct s { char a; int b; };\n#include "%s"\n' "$header" | gcc -std=c99 -Wpadded -Werror -fsyntax-only -x c - 2>/dev/null; then
  echo "padding was not seen"
  exit 1
fi
echo "$tried compilations"
[ $tried -ge 6 ]
