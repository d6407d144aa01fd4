#!/bin/sh
# Has AMD's own tools read, rebuild and disassemble the files of every example program.
#   check_programs.sh ONEBIT
# Tools and exit status as in check_images.sh.
set -u
[ $# -eq 1 ] || { echo "usage: $0 ONEBIT" >&2; exit 2; }
onebit=$1
source=$(dirname "$(realpath "$0")")
root=${NPU_XRT_ROOT:-}
libraries=$root/usr/lib/x86_64-linux-gnu
xrt() { tool=$1; shift; "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$root/usr/bin/$tool" "$@"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
ran=0
check() {  # check NAME COMMAND...
  name=$1; shift
  ran=$((ran + 1))
  if "$@" > "$work/log" 2>&1; then echo "ok      $name"; else echo "FAILED  $name"; sed 's/^/        /' "$work/log" | tail -20; failed=1; fi
}
commands() { "$onebit" npu inspect "$1" --in-order | grep -v ' NOP ' | sed -E 's/^(\([0-9]+,[0-9]+\))? *[0-9a-f]{6} /\1 /'; }
same_commands() { commands "$1" > a && commands "$2" > b && [ -s a ] && diff a b; }
bootgen_reads() { bootgen -arch versal -read "$1" > read.txt 2>&1; grep -q 'checksum(0x7c) : 0x9ac12a78' read.txt && grep -q 'PARTITION HEADER TABLE (aie_image.0)' read.txt; }
# The CDO of a PDI: its length in words is word 1 of the partition header at 0xD0, it begins at 0x150.
bootgen_rebuilds() {
  words=$(od -An -tu4 -j 212 -N 4 "$1.pdi" | tr -d ' ')
  dd if="$1.pdi" of="$1.cdo" bs=4 skip=84 count="$words" 2> /dev/null
  printf 'all: { id_code = 0x14ca8093 extended_id_code = 0x01 image { name = aie_image, id = 0x1c000000 { type = cdo file = %s.cdo } } }\n' "$1" > d.bif
  bootgen -arch versal -image d.bif -o bootgen.pdi -w && same_commands bootgen.pdi "$1.pdi"
}
xclbinutil_lists() { xrt xclbinutil --info --input "$1.xclbin" > info.txt 2>&1; grep -q 'MEM_TOPOLOGY, AIE_PARTITION, EMBEDDED_METADATA' info.txt; }
xclbinutil_extracts() {
  xrt xclbinutil --input "$1.xclbin" --dump-section AIE_PARTITION:JSON:part.json --force || return 1
  cmp "$(sed -n 's/.*"file_name": "\(.*\)".*/\1/p' part.json)" "$1.pdi"
}
# Kinds of operations in order, in both tools' spelling.
same_operations() {
  "$onebit" npu inspect "$1" | sed -nE 's/^\([0-9]+,[0-9]+\) +[0-9a-f]{6} ([A-Z_]+).*/\1/p' > a
  xrt aiebu-dump -d -m aie2txn "$1" | sed -nE 's/^XAIE_IO_(CUSTOM_OP_)?([A-Z_]+) .*/\2/p' > b
  [ -s a ] && diff a b
}

# libxrt's own reader sees one kernel with eight arguments in the right memories.
cat > "$work/expected" <<'TEXT'
kernel MLIR_AIE type 3
cu MLIR_AIE:MLIRAIE
arg 0 opcode size 8 offset 0x0
arg 1 instr size 8 offset 0x8 SRAM
arg 2 ninstr size 4 offset 0x10
arg 3 bo0 size 8 offset 0x14 HOST
arg 4 bo1 size 8 offset 0x1c HOST
arg 5 bo2 size 8 offset 0x24 HOST
arg 6 bo3 size 8 offset 0x2c HOST
arg 7 bo4 size 8 offset 0x34 HOST
memory HOST used 1
memory SRAM used 1
TEXT
reader_compiles() {
  "${CXX:-c++}" -std=c++17 -I "$root/usr/include/xrt" -I "$root/usr/include" "$source/xrt_xclbin.cpp" -L "$libraries" -l:libxrt_coreutil.so.2 \
    -Wl,--allow-shlib-undefined -o "$work/reader"
}
libxrt_reads() {
  "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:/usr/lib/x86_64-linux-gnu" "$work/reader" "$1.xclbin" > args.txt && diff args.txt "$work/expected"
}

"$onebit" npu build --all -o "$work" > /dev/null || exit 1
cd "$work" || exit 1
if [ -e "$root/usr/include/xrt/xrt_hw_context.h" ]; then check "a reader compiles against libxrt" reader_compiles; fi
for file in *.xclbin; do
  program=${file%.xclbin}
  check "$program: lint" "$onebit" npu lint "$program.xclbin" "$program".*.insts.bin
  if command -v bootgen > /dev/null; then
    check "$program: bootgen reads the PDI" bootgen_reads "$program.pdi"
    check "$program: bootgen makes the same commands of our CDO" bootgen_rebuilds "$program"
  fi
  if [ -n "$root" ] && [ -x "$root/usr/bin/xclbinutil" ]; then
    check "$program: xclbinutil lists the sections" xclbinutil_lists "$program"
    check "$program: xclbinutil extracts our PDI" xclbinutil_extracts "$program"
  fi
  if [ -x "$work/reader" ]; then check "$program: libxrt reads arguments and memories" libxrt_reads "$program"; fi
  if [ -n "$root" ] && [ -x "$root/usr/bin/aiebu-dump" ]; then
    for stream in "$program".*.insts.bin; do check "$stream: aiebu-dump sees the same operations" same_operations "$stream"; done
  fi
done
echo "$ran checks"
exit $failed
