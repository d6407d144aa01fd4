// EMBEDDED_METADATA: the XML that tells the runtime the kernel's name and arguments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit::npu {

struct KernelArgument {
  std::string name{};
  bool global = false;  // addressQualifier 1: a buffer, in a memory bank
  uint32_t id = 0;
  uint32_t size = 0;
  uint32_t offset = 0;  // in the command payload
  std::string type{};     // "void*"
  std::string memory{};   // tag of its bank ("HOST", "SRAM"); not in the XML, empty after reading
  bool operator==(const KernelArgument&) const = default;
};

struct KernelMetadata {
  std::string name{};      // "MLIR_AIE"
  std::string instance{};  // "MLIRAIE"
  std::string type = "dpu";
  uint32_t kernel_id = 0x901;
  std::vector<KernelArgument> arguments{};
  bool operator==(const KernelMetadata&) const = default;
};

// opcode, instr, ninstr, bo0..bo4: the only signature the instruction-stream flow has.
KernelMetadata default_kernel();

std::string write_kernel_xml(const KernelMetadata& kernel);
// Every kernel of the document. Errors where the text is not well-formed enough to find tags.
Result<std::vector<KernelMetadata>> read_kernel_xml(std::string_view xml);

}  // namespace onebit::npu
