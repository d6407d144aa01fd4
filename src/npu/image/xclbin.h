// xclbin (axlf): a file header, a table of sections, section payloads, and an optional text trailer.
// Bytes <-> typed sections; what has no typed form is carried byte for byte.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "npu/image/bytes.h"
#include "npu/image/kernel_metadata.h"
#include "npu/image/partition.h"
#include "npu/image/sha256.h"

namespace onebit::npu {

enum class SectionKind : uint32_t {
  embedded_metadata = 2,
  mem_topology = 6,
  connectivity = 7,
  ip_layout = 8,
  group_topology = 26,
  group_connectivity = 27,
  aie_partition = 32,
};
const char* name(SectionKind kind);  // "AIE_PARTITION"; "unknown" for other values

struct MemoryBank {
  uint8_t type = 2;  // MEM_DRAM
  uint8_t used = 1;
  uint64_t size_kb = 0;
  uint64_t base = 0;
  std::string tag{};  // at most 16 characters
  bool operator==(const MemoryBank&) const = default;
};
struct MemTopology {  // MEM_TOPOLOGY, GROUP_TOPOLOGY
  std::vector<MemoryBank> banks{};
  bool operator==(const MemTopology&) const = default;
};

struct IpEntry {
  uint32_t type = 7;                 // IP_PS_KERNEL
  uint32_t properties = 0x09010001;  // 1:0 subtype (1 DPU), 5:4 functional (0 DPU), 27:16 kernel id
  uint64_t base = ~uint64_t{0};      // not used
  std::string name{};                  // "kernel:instance", at most 64 characters

  uint32_t kernel_id() const { return properties >> 16 & 0xFFF; }
  bool operator==(const IpEntry&) const = default;
};
struct IpLayout {
  std::vector<IpEntry> entries{};
  bool operator==(const IpLayout&) const = default;
};

struct Connection {
  int32_t argument = 0, ip = 0, bank = 0;
  bool operator==(const Connection&) const = default;
};
struct Connectivity {  // CONNECTIVITY, GROUP_CONNECTIVITY
  std::vector<Connection> connections{};
  bool operator==(const Connectivity&) const = default;
};

struct Metadata {  // EMBEDDED_METADATA; see kernel_metadata.h
  std::string xml{};
  bool operator==(const Metadata&) const = default;
};

struct Opaque {
  std::vector<uint8_t> bytes{};
  bool operator==(const Opaque&) const = default;
};

struct Section {
  SectionKind kind = SectionKind::embedded_metadata;
  std::array<uint8_t, 16> name{};
  uint32_t reserved = 0;
  std::variant<Opaque, MemTopology, IpLayout, Connectivity, Metadata, AiePartition> body;
  // Set by the reader where the typed body would be laid out differently; then written instead of it.
  std::vector<uint8_t> verbatim{};
  // Bytes between this payload and what precedes it, where they are not zeros up to a multiple of 8.
  std::vector<uint8_t> gap{};
  bool unusual_gap = false;
  uint64_t offset = 0;  // in the file it was read from; no part of its value
};

struct Xclbin {
  uint32_t signature_length = 0xFFFFFFFF;
  std::array<uint8_t, 28> reserved{};
  std::array<uint8_t, 256> key_block{};
  uint64_t unique_id = 0;   // xclbinutil: the time stamp again
  uint64_t time_stamp = 0;  // seconds since 1970
  uint64_t feature_rom_time_stamp = 0;
  uint16_t version_patch = 0;
  uint8_t version_major = 2, version_minor = 25;
  uint16_t mode = 0, action_mask = 0;
  Uuid interface_uuid{};
  std::array<uint8_t, 64> platform{};
  Uuid uuid{};
  std::array<uint8_t, 16> debug_name{};
  uint32_t padding = 0;
  std::vector<Section> sections{};
  std::vector<uint8_t> trailer{};  // after the last section: xclbinutil's JSON mirror

  const Section* find(SectionKind kind) const;
  // The partition, or nothing where the file has none.
  const AiePartition* partition() const;
};

Result<Xclbin> read_xclbin(Bytes bytes);
std::vector<uint8_t> write_xclbin(const Xclbin& xclbin);

struct XclbinOptions {
  std::string name = "onebit";  // opens the names of the first two sections
  uint16_t columns = 8;         // width of the partition
  std::vector<uint16_t> start_columns{0};
  uint32_t operations_per_cycle = 2048;
  KernelMetadata kernel = default_kernel();
};
// Sections 6, 32, 2, 8, 7, 27, 26 around one PDI; uuids and time stamp derive from the content.
Xclbin make_xclbin(std::vector<uint8_t> pdi_image, const XclbinOptions& options);

std::vector<uint8_t> write_section(const Section& section);

}  // namespace onebit::npu
