// AIE_PARTITION, the section the NPU runtime loads: PDIs, the columns they want, their kernel ids.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "npu/image/bytes.h"
#include "npu/image/sha256.h"

namespace onebit::npu {

struct CdoGroup {
  std::string name{};
  uint8_t type = 1;  // 1 PRIMARY, 2 LITE, 3 PREPOST
  uint64_t pdi_id = 1;
  std::vector<uint64_t> kernel_ids{};
  std::vector<uint32_t> pre_groups{};
  bool operator==(const CdoGroup&) const = default;
};

struct PartitionPdi {
  Uuid uuid{};
  std::vector<uint8_t> image{};  // see pdi.h
  std::vector<CdoGroup> groups{};
  bool operator==(const PartitionPdi&) const = default;
};

struct AiePartition {
  uint8_t schema_version = 0;
  std::string name{};
  uint32_t operations_per_cycle = 2048;
  uint64_t inference_fingerprint = 23423;
  uint64_t pre_post_fingerprint = 12345;
  uint16_t column_width = 8;
  std::vector<uint16_t> start_columns{};
  std::string kernel_commit_id{};
  std::vector<PartitionPdi> pdis{};
  bool operator==(const AiePartition&) const = default;
};

Result<AiePartition> read_partition(Bytes bytes);
std::vector<uint8_t> write_partition(const AiePartition& partition);

}  // namespace onebit::npu
