#include "npu/image/partition.h"

#include <algorithm>

namespace onebit::npu {
namespace {

constexpr size_t kHeaderBytes = 184, kPdiBytes = 96, kGroupBytes = 96;
constexpr const char* kWhat = "AIE_PARTITION";

// Offsets in the header, in a PDI entry and in a group entry.
constexpr size_t kName = 0x04, kOps = 0x08, kInference = 0x10, kPrePost = 0x18, kWidth = 0x20, kStarts = 0x28, kPdis = 0x78,
                 kCommit = 0x80;
constexpr size_t kPdiImage = 0x10, kPdiGroups = 0x18;
constexpr size_t kGroupType = 0x04, kGroupPdiId = 0x08, kGroupKernels = 0x10, kGroupPre = 0x18;

// An array {u32 count, u32 offset from the section start} of `item` bytes each.
struct Array {
  uint32_t count;
  uint32_t offset;
};
Result<Array> array_at(const ByteReader& in, uint64_t at, size_t item, const char* field) {
  ONEBIT_ASSIGN(const uint32_t count, in.u32(at, field));
  ONEBIT_ASSIGN(const uint32_t offset, in.u32(at + 4, field));
  ONEBIT_TRY(in.slice(offset, uint64_t{count} * item, field));
  return Array{count, offset};
}

// Every PDI and group entry is read from its own bytes once; a file that makes many entries share
// payload could otherwise blow up in memory.
class Budget {
 public:
  explicit Budget(size_t bytes) : left_(bytes) {}
  Status take(uint64_t bytes, const char* field) {
    if (bytes > left_)
      return fail(Errc::format, "{}: {} of {} bytes overlaps other data, expected at most {} bytes left", kWhat, field, bytes, left_);
    left_ -= bytes;
    return {};
  }

 private:
  uint64_t left_;
};

Result<CdoGroup> read_group(const ByteReader& in, uint64_t at, Budget& budget) {
  CdoGroup g;
  ONEBIT_TRY(budget.take(kGroupBytes, "cdo_group"));
  ONEBIT_ASSIGN(const uint32_t name, in.u32(at, "cdo_group name"));
  ONEBIT_ASSIGN(g.name, in.c_string(name, "cdo_group name"));
  ONEBIT_TRY(budget.take(g.name.size() + 1, "cdo_group name"));
  ONEBIT_ASSIGN(g.type, in.u8(at + kGroupType, "cdo_group type"));
  ONEBIT_ASSIGN(g.pdi_id, in.u64(at + kGroupPdiId, "cdo_group pdi_id"));
  ONEBIT_ASSIGN(const Array kernels, array_at(in, at + kGroupKernels, 8, "dpu_kernel_ids"));
  ONEBIT_TRY(budget.take(uint64_t{kernels.count} * 8, "dpu_kernel_ids"));
  for (uint32_t i = 0; i < kernels.count; ++i) {
    ONEBIT_ASSIGN(const uint64_t id, in.u64(kernels.offset + uint64_t{i} * 8, "dpu_kernel_ids"));
    g.kernel_ids.push_back(id);
  }
  ONEBIT_ASSIGN(const Array pre, array_at(in, at + kGroupPre, 4, "pre_cdo_groups"));
  ONEBIT_TRY(budget.take(uint64_t{pre.count} * 4, "pre_cdo_groups"));
  for (uint32_t i = 0; i < pre.count; ++i) {
    ONEBIT_ASSIGN(const uint32_t id, in.u32(pre.offset + uint64_t{i} * 4, "pre_cdo_groups"));
    g.pre_groups.push_back(id);
  }
  return g;
}

Result<PartitionPdi> read_entry(const ByteReader& in, uint64_t at, Budget& budget) {
  PartitionPdi pdi;
  ONEBIT_TRY(budget.take(kPdiBytes, "aie_pdi"));
  ONEBIT_ASSIGN(const Bytes uuid, in.slice(at, pdi.uuid.size(), "PDI uuid"));
  std::copy(uuid.begin(), uuid.end(), pdi.uuid.begin());
  ONEBIT_ASSIGN(const Array image, array_at(in, at + kPdiImage, 1, "pdi_image"));
  ONEBIT_TRY(budget.take(image.count, "pdi_image"));
  const Bytes bytes = in.bytes().subspan(image.offset, image.count);
  pdi.image.assign(bytes.begin(), bytes.end());
  ONEBIT_ASSIGN(const Array groups, array_at(in, at + kPdiGroups, kGroupBytes, "cdo_groups"));
  for (uint32_t i = 0; i < groups.count; ++i) {
    ONEBIT_ASSIGN(CdoGroup group, read_group(in, groups.offset + uint64_t{i} * kGroupBytes, budget));
    pdi.groups.push_back(std::move(group));
  }
  return pdi;
}

void put_array(ByteWriter& out, size_t at, size_t count, size_t offset) {
  out.set_u32(at, static_cast<uint32_t>(count));
  out.set_u32(at + 4, static_cast<uint32_t>(offset));
}

// Appends at the next multiple of 8 and returns where.
size_t put_string(ByteWriter& out, const std::string& text) {
  const size_t at = out.size();
  out.text(text);
  out.u8(0);
  out.align(8);
  return at;
}

struct GroupLayout {
  size_t name, kernels, pre;
};

GroupLayout put_group_payload(ByteWriter& out, const CdoGroup& g) {
  GroupLayout at{};
  at.name = put_string(out, g.name);
  at.kernels = out.size();
  for (const uint64_t id : g.kernel_ids) out.u64(id);
  at.pre = out.size();
  for (const uint32_t id : g.pre_groups) out.u32(id);
  out.align(8);
  return at;
}

void put_group(ByteWriter& out, const CdoGroup& g, const GroupLayout& layout) {
  const size_t at = out.size();
  out.zeros(kGroupBytes);
  out.set_u32(at, static_cast<uint32_t>(layout.name));
  out.set_u32(at + kGroupType, g.type);
  out.set_u64(at + kGroupPdiId, g.pdi_id);
  put_array(out, at + kGroupKernels, g.kernel_ids.size(), layout.kernels);
  put_array(out, at + kGroupPre, g.pre_groups.size(), layout.pre);
}

struct PdiLayout {
  size_t image, groups;
};

PdiLayout put_pdi_payload(ByteWriter& out, const PartitionPdi& pdi) {
  PdiLayout at{};
  at.image = out.size();
  out.bytes(pdi.image);
  out.align(8);
  std::vector<GroupLayout> layouts;
  layouts.reserve(pdi.groups.size());
  for (const CdoGroup& g : pdi.groups) layouts.push_back(put_group_payload(out, g));
  at.groups = out.size();
  for (size_t i = 0; i < pdi.groups.size(); ++i) put_group(out, pdi.groups[i], layouts[i]);
  return at;
}

}  // namespace

Result<AiePartition> read_partition(Bytes bytes) {
  const ByteReader in(bytes, kWhat);
  ONEBIT_TRY(in.slice(0, kHeaderBytes, "header"));
  Budget budget(bytes.size());
  AiePartition p;
  p.schema_version = bytes[0];
  ONEBIT_ASSIGN(const uint32_t name, in.u32(kName, "name"));
  ONEBIT_ASSIGN(p.name, in.c_string(name, "name"));
  ONEBIT_ASSIGN(p.operations_per_cycle, in.u32(kOps, "operations_per_cycle"));
  ONEBIT_ASSIGN(p.inference_fingerprint, in.u64(kInference, "inference_fingerprint"));
  ONEBIT_ASSIGN(p.pre_post_fingerprint, in.u64(kPrePost, "pre_post_fingerprint"));
  ONEBIT_ASSIGN(p.column_width, in.u16(kWidth, "column_width"));
  ONEBIT_ASSIGN(const Array starts, array_at(in, kStarts, 2, "start_columns"));
  for (uint32_t i = 0; i < starts.count; ++i) {
    ONEBIT_ASSIGN(const uint16_t column, in.u16(starts.offset + uint64_t{i} * 2, "start_columns"));
    p.start_columns.push_back(column);
  }
  ONEBIT_ASSIGN(const uint32_t commit, in.u32(kCommit, "kernel_commit_id"));
  ONEBIT_ASSIGN(p.kernel_commit_id, in.c_string(commit, "kernel_commit_id"));
  ONEBIT_ASSIGN(const Array pdis, array_at(in, kPdis, kPdiBytes, "aie_pdi"));
  for (uint32_t i = 0; i < pdis.count; ++i) {
    ONEBIT_ASSIGN(PartitionPdi pdi, read_entry(in, pdis.offset + uint64_t{i} * kPdiBytes, budget));
    p.pdis.push_back(std::move(pdi));
  }
  return p;
}

std::vector<uint8_t> write_partition(const AiePartition& p) {
  ByteWriter out;
  out.zeros(kHeaderBytes);
  out.set_u32(0, p.schema_version);
  out.set_u32(kName, static_cast<uint32_t>(put_string(out, p.name)));
  out.set_u32(kOps, p.operations_per_cycle);
  out.set_u64(kInference, p.inference_fingerprint);
  out.set_u64(kPrePost, p.pre_post_fingerprint);
  out.set_u32(kWidth, p.column_width);
  out.set_u32(kCommit, static_cast<uint32_t>(put_string(out, p.kernel_commit_id)));
  put_array(out, kStarts, p.start_columns.size(), out.size());
  for (const uint16_t column : p.start_columns) out.u16(column);
  out.align(8);

  std::vector<PdiLayout> layouts;
  layouts.reserve(p.pdis.size());
  for (const PartitionPdi& pdi : p.pdis) layouts.push_back(put_pdi_payload(out, pdi));
  put_array(out, kPdis, p.pdis.size(), out.size());
  for (size_t i = 0; i < p.pdis.size(); ++i) {
    const size_t at = out.size();
    out.bytes(p.pdis[i].uuid);
    out.zeros(kPdiBytes - p.pdis[i].uuid.size());
    put_array(out, at + kPdiImage, p.pdis[i].image.size(), layouts[i].image);
    put_array(out, at + kPdiGroups, p.pdis[i].groups.size(), layouts[i].groups);
  }
  return out.take();
}

}  // namespace onebit::npu
