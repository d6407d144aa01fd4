#!/bin/sh
# Has AMD's own tools read, rebuild and disassemble the files we write.
#   check_images.sh ONEBIT NPU_WRITE_EXAMPLES
# bootgen: Debian package xilinx-bootgen. xclbinutil and aiebu-dump: fetch_xrt_tools.sh, found through
# NPU_XRT_ROOT. Exit status: 0 every check passed, 1 one failed, 77 no tool is here.
set -u
[ $# -eq 2 ] || { echo "usage: $0 ONEBIT NPU_WRITE_EXAMPLES" >&2; exit 2; }
onebit=$1
examples=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
ran=0

check() {  # check NAME COMMAND...
  name=$1; shift
  ran=$((ran + 1))
  if "$@" > "$work/log" 2>&1; then echo "ok      $name"; else echo "FAILED  $name"; sed 's/^/        /' "$work/log" | tail -20; failed=1; fi
}
contains() { grep -q -- "$2" "$1" || { echo "$1: no line matches '$2'"; return 1; }; }
# The commands of a PDI without NOPs and byte positions.
commands() { "$onebit" npu inspect "$1" --in-order | grep -v ' NOP ' | sed -E 's/^(\([0-9]+,[0-9]+\))? *[0-9a-f]{6} /\1 /'; }
same_commands() { commands "$1" > "$work/a" && commands "$2" > "$work/b" && [ -s "$work/a" ] && diff "$work/a" "$work/b"; }

"$examples" "$work" || exit 1
cd "$work" || exit 1

if command -v bootgen > /dev/null; then
  bootgen -arch versal -read example.pdi > read.txt 2>&1
  check "bootgen -read: image header table" contains read.txt 'checksum(0x7c) : 0x9ac12a78'
  check "bootgen -read: image name" contains read.txt 'IMAGE HEADER (aie_image)'
  check "bootgen -read: partition is recognised" contains read.txt 'PARTITION HEADER TABLE (aie_image.0)'
  printf 'all: { id_code = 0x14ca8093 extended_id_code = 0x01 image { name = aie_image, id = 0x1c000000 { type = cdo file = example.cdo } } }\n' > d.bif
  check "bootgen -image: accepts the CDO" bootgen -arch versal -image d.bif -o bootgen.pdi -w
  check "bootgen -image: same commands" same_commands bootgen.pdi example.pdi
  check "roundtrip of bootgen's PDI" "$onebit" npu roundtrip bootgen.pdi -o again.pdi
fi

root=${NPU_XRT_ROOT:-}
libraries=$root/usr/lib/x86_64-linux-gnu
xrt() { tool=$1; shift; "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$root/usr/bin/$tool" "$@"; }
dump() { xrt xclbinutil --input "$1" --dump-section "$2:$3:$4" --force > /dev/null 2>&1; }

if [ -n "$root" ] && [ -x "$root/usr/bin/xclbinutil" ]; then
  xrt xclbinutil --info --input example.xclbin > info.txt 2>&1
  check "xclbinutil --info: sections" contains info.txt 'MEM_TOPOLOGY, AIE_PARTITION, EMBEDDED_METADATA'
  check "xclbinutil --info: banks" contains info.txt 'SRAM'
  check "xclbinutil: dumps the partition" dump example.xclbin AIE_PARTITION JSON part.json
  # The dump names the PDI it writes beside the JSON.
  check "xclbinutil: the PDI comes out as it went in" sh -c 'cmp "$(sed -n "s/.*\"file_name\": \"\(.*\)\".*/\1/p" part.json)" example.pdi'
  cat > mem.json <<'EOF'
{"mem_topology":{"m_count":"2","m_mem_data":[
{"m_type":"MEM_DRAM","m_used":"1","m_sizeKB":"0x10000","m_tag":"HOST","m_base_address":"0x4000000"},
{"m_type":"MEM_DRAM","m_used":"1","m_sizeKB":"0xC000","m_tag":"SRAM","m_base_address":"0x4000000"}]}}
EOF
  {
    echo '{"ps-kernels":{"kernels":[{"name":"MLIR_AIE","type":"dpu","extended-data":{"subtype":"DPU","functional":"0","dpu_kernel_id":"0x901"},"arguments":['
    echo '{"name":"opcode","address-qualifier":"SCALAR","type":"uint64_t","offset":"0x00"},'
    echo '{"name":"instr","memory-connection":"SRAM","address-qualifier":"GLOBAL","type":"char *","offset":"0x08"},'
    echo '{"name":"ninstr","address-qualifier":"SCALAR","type":"uint32_t","offset":"0x10"}'
    for bo in 0:0x14 1:0x1C 2:0x24 3:0x2C 4:0x34; do
      echo ",{\"name\":\"bo${bo%%:*}\",\"memory-connection\":\"HOST\",\"address-qualifier\":\"GLOBAL\",\"type\":\"void*\",\"offset\":\"${bo##*:}\"}"
    done
    echo '],"instances":[{"name":"MLIRAIE"}]}]}}'
  } > kernels.json
  check "xclbinutil: builds the reference" xrt xclbinutil --add-replace-section MEM_TOPOLOGY:JSON:mem.json \
    --add-kernel kernels.json --add-replace-section AIE_PARTITION:JSON:part.json --force --output reference.xclbin
  for section in MEM_TOPOLOGY AIE_PARTITION IP_LAYOUT CONNECTIVITY GROUP_CONNECTIVITY GROUP_TOPOLOGY EMBEDDED_METADATA; do
    dump example.xclbin "$section" RAW "ours.$section"
    dump reference.xclbin "$section" RAW "theirs.$section"
    if [ "$section" = EMBEDDED_METADATA ]; then  # attributes of <extended-data> come in another order
      for side in ours theirs; do
        tr ' ' '\n' < "$side.$section" | sed 's|/>$||' | sort > "$side.words"
      done
      check "section $section equals xclbinutil's but for the order of attributes" cmp ours.words theirs.words
    else
      check "section $section equals xclbinutil's" cmp "ours.$section" "theirs.$section"
    fi
  done
  check "roundtrip of xclbinutil's file" "$onebit" npu roundtrip reference.xclbin -o again.xclbin
  check "lint of xclbinutil's file" "$onebit" npu lint reference.xclbin
fi

if [ -n "$root" ] && [ -x "$root/usr/bin/aiebu-dump" ]; then
  xrt aiebu-dump -p -m aie2txn example.bin > normal.txt 2>&1
  xrt aiebu-dump -p -m aie2txn compact.bin > compact.txt 2>&1
  xrt aiebu-dump -d -m aie2txn example.bin > listing.txt 2>&1
  check "aiebu-dump: header" contains normal.txt 'v0.1, gen4'
  check "aiebu-dump: compact header" contains compact.txt 'v1.0, gen4'
  for side in normal compact; do
    check "aiebu-dump: op counts ($side)" sh -c "grep -Eq 'XAIE_IO_WRITE +3\$' $side.txt && grep -Eq 'XAIE_IO_BLOCKWRITE +3\$' $side.txt && grep -Eq 'XAIE_IO_MASKWRITE +1\$' $side.txt"
  done
  check "aiebu-dump: patches" contains listing.txt 'XAIE_IO_CUSTOM_OP_DDR_PATCH *@0x1d044, #2, +0x0'
  check "aiebu-dump: queue" contains listing.txt 'XAIE_IO_WRITE *@0x1d204, 0x80000002'
fi

[ "$ran" -gt 0 ] || { echo "neither bootgen nor NPU_XRT_ROOT: nothing checked"; exit 77; }
echo "$ran checks"
exit $failed
