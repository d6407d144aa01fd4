#include "npu/image/xclbin.h"

#include <algorithm>
#include <cstring>

namespace onebit::npu {
namespace {

constexpr char kMagic[8] = {'x', 'c', 'l', 'b', 'i', 'n', '2', '\0'};
constexpr size_t kHeaderBytes = 0x1C8, kEntryBytes = 40;
constexpr size_t kLengthOffset = 0x130, kCountOffset = 0x1C0;
constexpr size_t kBankBytesInFile = 40, kTagBytes = 16, kIpBytes = 80, kIpNameBytes = 64, kConnectionBytes = 12;

template <size_t N>
Status copy_field(const ByteReader& in, uint64_t offset, const char* field, std::array<uint8_t, N>& to) {
  ONEBIT_ASSIGN(const Bytes b, in.slice(offset, N, field));
  std::copy(b.begin(), b.end(), to.begin());
  return {};
}

// Number of fixed-size entries that follow the count of a section.
Result<uint32_t> entry_count(const ByteReader& in, size_t header, size_t entry, const char* field) {
  ONEBIT_ASSIGN(const uint32_t count, in.u32(0, field));
  ONEBIT_TRY(in.slice(header, uint64_t{count} * entry, field));
  return count;
}

Result<MemTopology> read_topology(Bytes bytes, const char* what) {
  const ByteReader in(bytes, what);
  ONEBIT_ASSIGN(const uint32_t count, entry_count(in, 8, kBankBytesInFile, "bank count"));
  MemTopology t;
  for (uint32_t i = 0; i < count; ++i) {
    const size_t at = 8 + kBankBytesInFile * i;
    MemoryBank b{.type = bytes[at], .used = bytes[at + 1], .tag = fixed_text(bytes.subspan(at + 24, kTagBytes))};
    ONEBIT_ASSIGN(b.size_kb, in.u64(at + 8, "bank size"));
    ONEBIT_ASSIGN(b.base, in.u64(at + 16, "bank base address"));
    t.banks.push_back(std::move(b));
  }
  return t;
}

Result<IpLayout> read_ip_layout(Bytes bytes) {
  const ByteReader in(bytes, "IP_LAYOUT");
  ONEBIT_ASSIGN(const uint32_t count, entry_count(in, 8, kIpBytes, "entry count"));
  IpLayout layout;
  for (uint32_t i = 0; i < count; ++i) {
    const size_t at = 8 + kIpBytes * i;
    IpEntry e;
    ONEBIT_ASSIGN(e.type, in.u32(at, "ip type"));
    ONEBIT_ASSIGN(e.properties, in.u32(at + 4, "ip properties"));
    ONEBIT_ASSIGN(e.base, in.u64(at + 8, "ip base address"));
    e.name = fixed_text(bytes.subspan(at + 16, kIpNameBytes));
    layout.entries.push_back(std::move(e));
  }
  return layout;
}

Result<Connectivity> read_connectivity(Bytes bytes, const char* what) {
  const ByteReader in(bytes, what);
  ONEBIT_ASSIGN(const uint32_t count, entry_count(in, 4, kConnectionBytes, "connection count"));
  Connectivity c;
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* p = bytes.data() + 4 + kConnectionBytes * i;
    c.connections.push_back({static_cast<int32_t>(load_u32(p)), static_cast<int32_t>(load_u32(p + 4)),
                             static_cast<int32_t>(load_u32(p + 8))});
  }
  return c;
}

template <class T>
Status store(Result<T> value, Section* section) {
  if (!value) return std::unexpected(std::move(value).error());
  section->body = std::move(*value);
  return {};
}

Status read_body(Bytes payload, Section* s) {
  switch (s->kind) {
    case SectionKind::mem_topology:
    case SectionKind::group_topology: return store(read_topology(payload, name(s->kind)), s);
    case SectionKind::ip_layout: return store(read_ip_layout(payload), s);
    case SectionKind::connectivity:
    case SectionKind::group_connectivity: return store(read_connectivity(payload, name(s->kind)), s);
    case SectionKind::embedded_metadata: s->body = Metadata{{payload.begin(), payload.end()}}; return {};
    case SectionKind::aie_partition: return store(read_partition(payload), s);
  }
  s->body = Opaque{{payload.begin(), payload.end()}};
  return {};
}

std::vector<uint8_t> write_body(const Section& s) {
  struct Visitor {
    ByteWriter out;
    void operator()(const Opaque& o) { out.bytes(o.bytes); }
    void operator()(const Metadata& m) { out.text(m.xml); }
    void operator()(const AiePartition& p) { out.bytes(write_partition(p)); }
    void operator()(const MemTopology& t) {
      out.u32(static_cast<uint32_t>(t.banks.size()));
      out.zeros(4);
      for (const MemoryBank& b : t.banks) {
        out.u8(b.type);
        out.u8(b.used);
        out.zeros(6);
        out.u64(b.size_kb);
        out.u64(b.base);
        out.fixed_text(b.tag, kTagBytes);
      }
    }
    void operator()(const IpLayout& l) {
      out.u32(static_cast<uint32_t>(l.entries.size()));
      out.zeros(4);
      for (const IpEntry& e : l.entries) {
        out.u32(e.type);
        out.u32(e.properties);
        out.u64(e.base);
        out.fixed_text(e.name, kIpNameBytes);
      }
    }
    void operator()(const Connectivity& c) {
      out.u32(static_cast<uint32_t>(c.connections.size()));
      for (const Connection& n : c.connections) {
        out.u32(static_cast<uint32_t>(n.argument));
        out.u32(static_cast<uint32_t>(n.ip));
        out.u32(static_cast<uint32_t>(n.bank));
      }
    }
  } visitor;
  std::visit(visitor, s.body);
  return visitor.out.take();
}

Status read_header(const ByteReader& in, Xclbin& x) {
  ONEBIT_ASSIGN(const Bytes magic, in.slice(0, sizeof kMagic, "magic"));
  if (std::memcmp(magic.data(), kMagic, sizeof kMagic) != 0)
    return fail(Errc::format, "xclbin: magic at offset 0x0 is not \"xclbin2\"");
  ONEBIT_TRY(in.slice(0, kHeaderBytes, "header"));
  ONEBIT_ASSIGN(x.signature_length, in.u32(0x08, "signature length"));
  ONEBIT_TRY(copy_field(in, 0x0C, "reserved", x.reserved));
  ONEBIT_TRY(copy_field(in, 0x28, "key block", x.key_block));
  ONEBIT_ASSIGN(x.unique_id, in.u64(0x128, "unique id"));
  ONEBIT_ASSIGN(const uint64_t length, in.u64(kLengthOffset, "file length"));
  if (length != in.size())
    return fail(Errc::format, "xclbin: file length at offset {:#x} is {}, expected {}", kLengthOffset, length, in.size());
  ONEBIT_ASSIGN(x.time_stamp, in.u64(0x138, "time stamp"));
  ONEBIT_ASSIGN(x.feature_rom_time_stamp, in.u64(0x140, "feature ROM time stamp"));
  ONEBIT_ASSIGN(x.version_patch, in.u16(0x148, "version patch"));
  ONEBIT_ASSIGN(x.version_major, in.u8(0x14A, "version major"));
  ONEBIT_ASSIGN(x.version_minor, in.u8(0x14B, "version minor"));
  ONEBIT_ASSIGN(x.mode, in.u16(0x14C, "mode"));
  ONEBIT_ASSIGN(x.action_mask, in.u16(0x14E, "action mask"));
  ONEBIT_TRY(copy_field(in, 0x150, "interface uuid", x.interface_uuid));
  ONEBIT_TRY(copy_field(in, 0x160, "platform", x.platform));
  ONEBIT_TRY(copy_field(in, 0x1A0, "uuid", x.uuid));
  ONEBIT_TRY(copy_field(in, 0x1B0, "debug name", x.debug_name));
  ONEBIT_ASSIGN(x.padding, in.u32(0x1C4, "padding"));
  return {};
}

// Reads section `index` of the table; `*end` is where the bytes already accounted for end.
Result<Section> read_section(const ByteReader& in, uint32_t index, uint64_t* end) {
  const uint64_t entry = kHeaderBytes + uint64_t{kEntryBytes} * index;
  Section s;
  ONEBIT_ASSIGN(const uint32_t kind, in.u32(entry, "section kind"));
  s.kind = static_cast<SectionKind>(kind);
  ONEBIT_TRY(copy_field(in, entry + 4, "section name", s.name));
  ONEBIT_ASSIGN(s.reserved, in.u32(entry + 20, "section padding"));
  ONEBIT_ASSIGN(s.offset, in.u64(entry + 24, "section offset"));
  ONEBIT_ASSIGN(const uint64_t size, in.u64(entry + 32, "section size"));
  if (s.offset < *end)
    return fail(Errc::unsupported, "xclbin: offset of section {} (kind {}) at {:#x} is {:#x}, expected {:#x} or more", index, kind,
                entry + 24, s.offset, *end);
  ONEBIT_ASSIGN(const Bytes payload, in.slice(s.offset, size, "section payload"));
  const Bytes gap = in.bytes().subspan(*end, s.offset - *end);
  s.unusual_gap = gap.size() != (8 - *end % 8) % 8 || std::any_of(gap.begin(), gap.end(), [](uint8_t b) { return b != 0; });
  if (s.unusual_gap) s.gap.assign(gap.begin(), gap.end());
  ONEBIT_TRY(read_body(payload, &s));
  const std::vector<uint8_t> again = write_body(s);
  if (!std::equal(again.begin(), again.end(), payload.begin(), payload.end())) s.verbatim.assign(payload.begin(), payload.end());
  *end = s.offset + size;
  return s;
}

void write_header(const Xclbin& x, ByteWriter& out) {
  out.text({kMagic, sizeof kMagic});
  out.u32(x.signature_length);
  out.bytes(x.reserved);
  out.bytes(x.key_block);
  out.u64(x.unique_id);
  out.u64(0);  // file length, set at the end
  out.u64(x.time_stamp);
  out.u64(x.feature_rom_time_stamp);
  out.u16(x.version_patch);
  out.u8(x.version_major);
  out.u8(x.version_minor);
  out.u16(x.mode);
  out.u16(x.action_mask);
  out.bytes(x.interface_uuid);
  out.bytes(x.platform);
  out.bytes(x.uuid);
  out.bytes(x.debug_name);
  out.u32(static_cast<uint32_t>(x.sections.size()));
  out.u32(x.padding);
}

std::array<uint8_t, 16> section_name(const std::string& text) {
  std::array<uint8_t, 16> field{};
  std::copy_n(text.begin(), std::min<size_t>(text.size(), 15), field.begin());
  return field;
}

// The banks of the driver: buffers in HOST, instructions in SRAM.
MemTopology npu_banks() {
  return {{{.size_kb = 0x10000, .base = 0x4000000, .tag = "HOST"}, {.size_kb = 0xC000, .base = 0x4000000, .tag = "SRAM"}}};
}

Connectivity connect(const KernelMetadata& kernel, const MemTopology& banks) {
  Connectivity c;
  for (const KernelArgument& a : kernel.arguments)
    for (size_t b = 0; b < banks.banks.size(); ++b)
      if (a.global && banks.banks[b].tag == a.memory)
        c.connections.push_back({static_cast<int32_t>(a.id), 0, static_cast<int32_t>(b)});
  return c;
}

// Seconds since 1970 between 2021 and 2029, chosen by the content.
uint64_t time_stamp_of(const Digest& digest) { return 0x60000000 + (load_u32(digest.data() + 16) & 0x0FFFFFFF); }

}  // namespace

const char* name(SectionKind kind) {
  switch (kind) {
    case SectionKind::embedded_metadata: return "EMBEDDED_METADATA";
    case SectionKind::mem_topology: return "MEM_TOPOLOGY";
    case SectionKind::connectivity: return "CONNECTIVITY";
    case SectionKind::ip_layout: return "IP_LAYOUT";
    case SectionKind::group_topology: return "GROUP_TOPOLOGY";
    case SectionKind::group_connectivity: return "GROUP_CONNECTIVITY";
    case SectionKind::aie_partition: return "AIE_PARTITION";
  }
  return "unknown";
}

const Section* Xclbin::find(SectionKind kind) const {
  for (const Section& s : sections)
    if (s.kind == kind) return &s;
  return nullptr;
}

const AiePartition* Xclbin::partition() const {
  const Section* s = find(SectionKind::aie_partition);
  return s ? std::get_if<AiePartition>(&s->body) : nullptr;
}

std::vector<uint8_t> write_section(const Section& section) {
  return section.verbatim.empty() ? write_body(section) : section.verbatim;
}

Result<Xclbin> read_xclbin(Bytes bytes) {
  const ByteReader in(bytes, "xclbin");
  Xclbin x;
  ONEBIT_TRY(read_header(in, x));
  ONEBIT_ASSIGN(const uint32_t count, in.u32(kCountOffset, "section count"));
  ONEBIT_TRY(in.slice(kHeaderBytes, uint64_t{kEntryBytes} * count, "section table"));
  uint64_t end = kHeaderBytes + uint64_t{kEntryBytes} * count;
  for (uint32_t i = 0; i < count; ++i) {
    ONEBIT_ASSIGN(Section s, read_section(in, i, &end));
    x.sections.push_back(std::move(s));
  }
  const Bytes rest = bytes.subspan(end);
  x.trailer.assign(rest.begin(), rest.end());
  return x;
}

std::vector<uint8_t> write_xclbin(const Xclbin& x) {
  ByteWriter out;
  write_header(x, out);
  const size_t table = out.size();
  out.zeros(kEntryBytes * x.sections.size());
  for (size_t i = 0; i < x.sections.size(); ++i) {
    const Section& s = x.sections[i];
    if (s.unusual_gap)
      out.bytes(s.gap);
    else
      out.align(8);
    const size_t offset = out.size();
    out.bytes(write_section(s));
    ByteWriter entry;
    entry.u32(static_cast<uint32_t>(s.kind));
    entry.bytes(s.name);
    entry.u32(s.reserved);
    for (size_t w = 0; w < 6; ++w) out.set_u32(table + kEntryBytes * i + 4 * w, load_u32(entry.data().data() + 4 * w));
    out.set_u64(table + kEntryBytes * i + 24, offset);
    out.set_u64(table + kEntryBytes * i + 32, out.size() - offset);
  }
  out.bytes(x.trailer);
  out.set_u64(kLengthOffset, out.size());
  return out.take();
}

Xclbin make_xclbin(std::vector<uint8_t> pdi_image, const XclbinOptions& options) {
  const KernelMetadata& kernel = options.kernel;
  const MemTopology banks = npu_banks();
  const Connectivity connections = connect(kernel, banks);
  Connectivity twice = connections;  // real files list every connection twice in the group section
  for (const Connection& c : connections.connections) twice.connections.push_back(c);

  AiePartition partition;
  partition.operations_per_cycle = options.operations_per_cycle;
  partition.column_width = options.columns;
  partition.start_columns = options.start_columns;
  const Uuid pdi_uuid = uuid_of(sha256(pdi_image));
  partition.pdis.push_back({pdi_uuid, std::move(pdi_image), {{.name = "DPU", .kernel_ids = {kernel.kernel_id}, .pre_groups = {0xC1}}}});
  const IpEntry ip{.properties = 1u | (kernel.kernel_id & 0xFFF) << 16, .name = kernel.name + ":" + kernel.instance};

  Xclbin x;
  x.reserved.fill(0xFF);
  x.key_block.fill(0xFF);
  const auto add = [&x](SectionKind kind, const std::string& text, decltype(Section::body) body) {
    Section s;
    s.kind = kind;
    s.name = section_name(text);
    s.body = std::move(body);
    x.sections.push_back(std::move(s));
  };
  add(SectionKind::mem_topology, options.name + "_mem_topology", banks);
  add(SectionKind::aie_partition, options.name + "_aie_partition", std::move(partition));
  add(SectionKind::embedded_metadata, "", Metadata{write_kernel_xml(kernel)});
  add(SectionKind::ip_layout, "", IpLayout{{ip}});
  add(SectionKind::connectivity, "", connections);
  add(SectionKind::group_connectivity, "", twice);
  add(SectionKind::group_topology, "", banks);

  ByteWriter content;
  for (const Section& s : x.sections) content.bytes(write_section(s));
  const Digest digest = sha256(content.data());
  x.uuid = uuid_of(digest);
  x.time_stamp = x.unique_id = time_stamp_of(digest);
  return x;
}

}  // namespace onebit::npu
