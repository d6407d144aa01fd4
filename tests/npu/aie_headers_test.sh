#!/bin/sh
# aie_headers_test.sh DOCUMENT SOURCE_DIR KERNEL.cpp...: what aie_headers.sh says of a tree made here, which has the names
# and shapes that the headers are expected to have and nothing else, and of one that lacks something.
set -eu
script=$(dirname "$0")/aie_headers.sh
document=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PEANO_INSTALL_DIR AIE_API_ROOT
fail() { echo "$1"; cat "$work/out"; exit 1; }

status=0
"$script" "$@" > "$work/out" || status=$?
[ "$status" = 77 ] || fail "without AIE_API_ROOT: $status, expected 77"

tree=$work/api/include/aie_api
sed -n '/^## Names of aie_api in use/,/^## [^N]/p' "$document" | grep '^| `' | awk -F'|' '{print $2 "|" $4}' | tr -d '`,' |
  while IFS='|' read -r names headers; do
    for header in $headers; do
      mkdir -p "$tree/$(dirname "$header")"
      for name in $names; do echo "${name##*[:.]};" >> "$tree/$header"; done
    done
  done
echo 'struct mmul_8_8<2, 8, 8, A, B, 32>; struct mmul_8_8<8, 8, 8, A, B, 32>;' >> "$tree/detail/aie2p/mmul_8_8.hpp"
echo 'struct mmul_bf16_bf16<8, 8, 8, A, B, 32>;' >> "$tree/detail/aie2p/mmul_bf16_bf16.hpp"
export AIE_API_ROOT="$work/api"
"$script" "$@" > "$work/out" || fail "a tree with everything is refused"

# Lines of a file that match are gone: the check fails and says so.
lacks() {  # FILE PATTERN TEXT KERNELS...
  file=$tree/$1 pattern=$2 text=$3
  shift 3
  cp "$file" "$work/kept"
  grep -vE "$pattern" "$work/kept" > "$file" || true
  if "$script" "$@" > "$work/out" 2>&1; then fail "without $pattern in $file: accepted"; fi
  grep -qF "$text" "$work/out" || fail "without $pattern in $file: no '$text'"
  cp "$work/kept" "$file"
}
lacks aie.hpp '^concat' 'aie::concat: in none of' "$@"
lacks detail/aie2p/mmul_8_8.hpp '<2, 8, 8' 'mmul<2, 8, 8, int8, int8>: not in aie_api/detail/aie2p/mmul_8_8.hpp' "$@"
mv "$tree/detail/aie2/bit.hpp" "$work/bit.hpp"
if "$script" "$@" > "$work/out" 2>&1; then fail "without detail/aie2/bit.hpp: accepted"; fi
grep -qF 'aie_api/detail/aie2/bit.hpp: not there' "$work/out" || fail "a missing header is not named"
mv "$work/bit.hpp" "$tree/detail/aie2/bit.hpp"

# The compiler sees every kernel, and its errors count.
mkdir -p "$work/peano/bin"
cat > "$work/peano/bin/clang++" <<'STUB'
#!/bin/sh
echo "$*" >> "$(dirname "$0")/calls"
[ ! -e "$(dirname "$0")/fail" ]
STUB
chmod +x "$work/peano/bin/clang++"
export PEANO_INSTALL_DIR="$work/peano"
"$script" "$@" > "$work/out" || fail "a compiler that accepts everything"
[ "$(wc -l < "$work/peano/bin/calls")" = $(($# - 2)) ] || fail "not one call for every kernel"
grep -q -- "--target=aie2p-none-unknown-elf .*-fsyntax-only .*-I$work/api/include .*gemm_bf16.cpp" "$work/peano/bin/calls" || fail "calls of the compiler"
touch "$work/peano/bin/fail"
if "$script" "$@" > "$work/out" 2>&1; then fail "errors of the compiler are not noticed"; fi
echo "ok"
