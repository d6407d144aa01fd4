#!/usr/bin/env bash
# What cmake installs is enough to compile, link and run a program: header, library, pkg-config file.
# usage: install.sh SOURCE BUILD WORK LIBDIR
set -euo pipefail
source=$1 build=$2 work=$3 libdir=$4
rm -rf "$work"
mkdir -p "$work"
for component in library development; do cmake --install "$build" --prefix "$work/usr" --component $component >"$work/log"; done
(cd "$work/usr" && find . ! -type d | sort)
[ "$(find "$work/usr/include" -type f)" = "$work/usr/include/onebit/onebit.h" ] || { echo "other headers than onebit.h"; exit 1; }
if ! command -v pkg-config >/dev/null; then echo "pkg-config is missing"; exit 77; fi
export PKG_CONFIG_PATH=$work/usr/$libdir/pkgconfig
pkg-config --exact-version="$(sed -n 's/^project(onebit VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")" onebit
# shellcheck disable=SC2046
cc -std=c99 -Wall -Werror "$source/examples/c/gemm.c" $(pkg-config --cflags --libs onebit) -o "$work/gemm"
LD_LIBRARY_PATH=$work/usr/$libdir "$work/gemm" 20 40 3 | tee "$work/out"
grep -q "the same results" "$work/out"
