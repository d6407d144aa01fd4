// PDI: bus-width words, image header table, image header, partition header, one CDO.
//
// Headers are kept as words with named positions. Words that follow from others (counts, offsets,
// lengths, checksums) are checked by the reader and computed by the writer; the rest is carried as it is.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "npu/image/cdo.h"

namespace onebit::npu {

namespace image_header_table {
enum : size_t { version, image_count, first_image, partition_count, first_partition, secondary_boot, id_code, attributes,
                pdi_id, parent_id, identification, header_sizes, meta_length, iv0, iv1, iv2, key_source, extended_id,
                checksum = 31, words };
}
namespace image_header {
enum : size_t { first_partition, section_count, revoke_id, attributes, name0, name1, name2, name3, image_id, unique_id,
                parent_unique_id, function_id, ddr_low, ddr_high, measurement, checksum, words };
}
namespace partition_header {
enum : size_t { encrypted_length, unencrypted_length, total_length, next, exec_low, exec_high, load_low, load_high,
                data_offset, attributes, section_count, checksum_offset, id, iv_extra, key_source, checksum = 31, words };
}

inline constexpr size_t kPdiDataOffset = 0x150;
inline constexpr std::array<uint32_t, 4> kBusWidthWords{0x000000DD, 0x11223344, 0x55667788, 0x99AABBCC};

struct Pdi {
  std::array<uint32_t, image_header_table::words> table{};
  std::array<uint32_t, image_header::words> image{};
  std::array<uint32_t, partition_header::words> partition{};
  Cdo cdo;
  std::vector<uint32_t> padding{};  // after the CDO, at most 3 words; the writer sizes it, zeros where absent

  bool operator==(const Pdi&) const = default;
  std::string image_name() const;
};

// The headers bootgen writes for an array configuration, around `cdo`.
Pdi make_pdi(Cdo cdo);

Result<Pdi> read_pdi(Bytes bytes);
std::vector<uint8_t> write_pdi(const Pdi& pdi);

}  // namespace onebit::npu
