#!/bin/sh
# Has AMD's own tools read, rebuild and disassemble the files of every example program.
#   check_programs.sh ONEBIT
# Tools and exit status as in check_images.sh.
set -u
[ $# -eq 1 ] || { echo "usage: $0 ONEBIT" >&2; exit 2; }
onebit=$1
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

"$onebit" npu build --all -o "$work" > /dev/null || exit 1
cd "$work" || exit 1
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
  if [ -n "$root" ] && [ -x "$root/usr/bin/aiebu-dump" ]; then
    for stream in "$program".*.insts.bin; do check "$stream: aiebu-dump sees the same operations" same_operations "$stream"; done
  fi
done
echo "$ran checks"
exit $failed
