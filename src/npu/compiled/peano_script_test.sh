#!/bin/sh
# peano_script_test.sh CMAKE SOURCE_DIR WRITER KERNELS: runs cmake/PeanoCores.cmake with a compiler that writes down how it
# is called and answers with a fixed file.
set -eu
cmake=$1 source=$2 writer=$3 kernels=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/clang++" <<'STUB'
#!/bin/sh
echo "$*" >> "$(dirname "$0")/calls"
if [ -e "$(dirname "$0")/fail" ]; then echo "no room for .text" >&2; exit 1; fi
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then printf '\177ELF' > "$2"; fi
  shift
done
STUB
chmod +x "$work/clang++"
run() {
  "$cmake" -DCOMPILER="$work/clang++" -DAIE_API=/aie_api -DSOURCE_DIR="$source" -DWRITER="$writer" "-DKERNELS=$kernels" \
    -DWORK="$work/cores" -DTABLE="$work/table.cpp" -P "$source/cmake/PeanoCores.cmake"
}
run
cores=$(wc -l < "$work/cores/cores.txt")
[ "$cores" -ge 5 ] || { echo "only $cores core programs"; exit 1; }
entries=$(grep -c '^    {"' "$work/table.cpp")
[ "$entries" -eq "$cores" ] || { echo "$entries entries for $cores core programs"; exit 1; }
grep -q '\[\] = {0x7f,0x45,0x4c,0x46,};' "$work/table.cpp"
grep -q -- '--target=aie2p-none-unknown-elf .*-I/aie_api -c .*gemm_i8_i32.cpp' "$work/calls"
grep -q -- '-DAIE_API_EMULATE_BFLOAT16_MMUL_WITH_BFP16=1 .*gemm_bf16.cpp' "$work/calls"
[ "$(grep -c -- '-Wl,-T,' "$work/calls")" -eq "$cores" ]
# The main functions must compile: here for the host, against the model of aie_api.
for main in "$work"/cores/*.cpp; do
  ${CXX:-c++} -std=c++20 -Wall -Wextra -Werror -fsyntax-only -I"$source/src" -I"$source/src/npu/kernels/host" "$main"
done
touch "$work/fail"
if run 2> "$work/error"; then echo "a failing compiler was not noticed"; exit 1; fi
grep -q "no room for .text" "$work/error"
echo "ok: $cores core programs"
