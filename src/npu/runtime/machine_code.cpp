#include "npu/image/core_program.h"
#include "npu/image/pdi.h"
#include "npu/image/program_memory.h"
#include "npu/image/xclbin.h"
#include "npu/runtime/device.h"

namespace onebit::npu {

Result<std::optional<TileId>> core_without_machine_code(Bytes bytes, const Device& device) {
  ONEBIT_ASSIGN(const Xclbin xclbin, read_xclbin(bytes));
  const AiePartition* partition = xclbin.partition();
  if (!partition || partition->pdis.empty()) return fail(Errc::format, "xclbin: no AIE_PARTITION with a PDI, expected one");
  for (const PartitionPdi& entry : partition->pdis) {
    ONEBIT_ASSIGN(const Pdi pdi, read_pdi(entry.image));
    for (const auto& [tile, memory] : program_memories(pdi.cdo, device)) {
      const auto program = read_core_record(memory.bytes);
      if (!program) return with_context(program.error(), "core " + npu::name(tile));
      if (*program && !(*program)->machine_code) return tile;
    }
  }
  return std::nullopt;
}

}  // namespace onebit::npu
