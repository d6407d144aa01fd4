// A file of any kind this room reads, told apart by its first bytes.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "npu/image/cdo.h"
#include "npu/image/pdi.h"
#include "npu/image/transaction.h"
#include "npu/image/xclbin.h"

namespace onebit::npu {

using NpuFile = std::variant<Xclbin, Pdi, Cdo, Transaction>;
const char* name(const NpuFile& file);  // "xclbin", "PDI", "CDO", "instruction stream"

Result<NpuFile> read_npu_file(Bytes bytes);

// The bytes again. PDIs inside an xclbin go through their typed form too; `*opaque` lists the parts that
// were carried byte for byte instead ("section 9 (unknown)").
Result<std::vector<uint8_t>> write_npu_file(const NpuFile& file, std::vector<std::string>* opaque = nullptr);

}  // namespace onebit::npu
