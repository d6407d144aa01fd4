# Run by the build: cmake -DCOMPILER=... -DAIE_API=... -DSOURCE_DIR=... -DWRITER=... -DKERNELS=a.cpp;b.cpp -DWORK=... -DTABLE=... -P
#
# Compiles the kernels, the start code and the main function of every core program with the device compiler, links
# each main to WORK/ID.elf, and writes the table of all of them as the C++ source TABLE.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\nfailed (${status}):\n${output}")
  endif()
endfunction()

set(flags --target=aie2p-none-unknown-elf -O2 -std=c++20 -DNDEBUG -ffunction-sections -fno-jump-tables -DAIE_API_EMULATE_BFLOAT16_MMUL_WITH_BFP16=1
  -Wno-parentheses -Wno-attributes -Wno-macro-redefined -Wno-empty-body -I${SOURCE_DIR}/src)
if(AIE_API)
  list(APPEND flags -I${AIE_API})
endif()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
run(${WRITER} ${WORK})

set(objects "")
foreach(kernel IN LISTS KERNELS)
  run(${COMPILER} ${flags} -c ${SOURCE_DIR}/src/npu/kernels/${kernel} -o ${WORK}/${kernel}.o)
  list(APPEND objects ${WORK}/${kernel}.o)
endforeach()
# The compiler includes its vector types in every source by itself; an assembler cannot read them.
run(${COMPILER} --target=aie2p-none-unknown-elf -mno-vitis-headers -c ${SOURCE_DIR}/src/npu/kernels/start/start.S -o ${WORK}/start.S.o)
run(${COMPILER} ${flags} -c ${SOURCE_DIR}/src/npu/kernels/start/start.cpp -o ${WORK}/start.cpp.o)

set(arrays "")
set(entries "")
file(STRINGS ${WORK}/cores.txt ids)
foreach(id IN LISTS ids)
  run(${COMPILER} ${flags} -c ${WORK}/${id}.cpp -o ${WORK}/${id}.o)
  run(${COMPILER} --target=aie2p-none-unknown-elf -nostartfiles -Wl,--gc-sections -Wl,--strip-all -Wl,-T,${WORK}/${id}.ld
    ${WORK}/start.S.o ${WORK}/start.cpp.o ${WORK}/${id}.o ${objects} -o ${WORK}/${id}.elf)
  file(READ ${WORK}/${id}.elf hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "constexpr uint8_t k${id}[] = {${bytes}};\n")
  string(APPEND entries "    {\"${id}\", k${id}},\n")
endforeach()
file(WRITE ${TABLE} "// Generated: the core programs, compiled.
#include \"npu/compiled/core_code.h\"

namespace onebit::npu {
namespace {
${arrays}constexpr CoreCode kTable[] = {
${entries}};
}  // namespace

std::span<const CoreCode> embedded_core_code() { return kTable; }

}  // namespace onebit::npu
")
