#include "npu/image/lint.h"

#include <algorithm>

#include "npu/device/registers.h"
#include "npu/image/lint_internal.h"

namespace onebit::npu {
namespace {

constexpr const char* kMap = "AIE2P register map (docs/npu-formats.md, registers)";
constexpr const char* kHardware = "seen on Strix Halo hardware (docs/npu-formats.md, rules)";
constexpr const char* kSwitchModel = "aie-codegen xaie_ss_aieml.c (docs/npu-formats.md, switches)";
constexpr const char* kContainer = "XRT xclbin_parser.cpp, SectionAIEPartition.cxx (docs/npu-formats.md, xclbin)";

constexpr Rule kRules[] = {
    {"address", "every address lies inside the array", kMap},
    {"register", "every register written has a name and may be written", kMap},
    {"reserved-bits", "only bits that belong to a field are set", kMap},
    {"memory-range", "a block write stays inside the memory or register block it starts in", kMap},
    {"unknown-command", "every CDO command is one that the NPU's loader executes", "316 real files (docs/npu-formats.md, CDO)"},
    {"token-route", "a shim in use routes TILE_CTRL in packet mode to SOUTH0, id 15", kHardware},
    {"lane", "a memory tile passes north and south on the same lane", kHardware},
    {"connection", "a master selects an existing, enabled slave that the switch can connect to it", kSwitchModel},
    {"open-wire", "a port towards a neighbour has an enabled partner there", kSwitchModel},
    {"unused-slave", "an enabled slave feeds at least one master", kSwitchModel},
    {"packet-route", "arbiters are 0 to 5 and each slot's arbiter and msel are served by a master", kSwitchModel},
    {"shim-mux", "the shim's DMA ports and its mux and demux agree", kMap},
    {"bd-range", "descriptor numbers exist in the tile", kMap},
    {"bd-parity", "memory-tile channels use descriptors of their half: even 0 to 23, odd 24 to 47", "iree-amd-aie getChannelToValidBdIds"},
    {"bd-invalid", "every descriptor of a task is written and valid, and moves something", kMap},
    {"bd-dimension", "no dimension lies behind one without a wrap", kMap},
    {"bd-memory", "a descriptor stays inside memory its channel reaches", "AM027 table 12"},
    {"padding", "padding is used on memory-tile MM2S only", kMap},
    {"lock-range", "lock numbers exist in a tile its channel reaches", "AM027 table 12"},
    {"lock-stuck", "a lock that a memory-tile task waits for starts high enough or is released by someone", "semaphore locks (docs/npu-formats.md)"},
    {"lock-unused", "a lock that a memory-tile task releases is waited for by another", "semaphore locks (docs/npu-formats.md)"},
    {"no-effect", "no value is set whose enable is off, no endless task is repeated", kMap},
    {"packet-mode", "descriptors and switch ports agree on packets", kMap},
    {"compression", "descriptors and channels agree on compression", kMap},
    {"stream-length", "object sizes at the two ends of a circuit are whole multiples", "object fifos of real programs (docs/npu-formats.md)"},
    {"unused-bd", "where the configuration starts tasks, every valid descriptor belongs to one", "object fifos of real programs (docs/npu-formats.md)"},
    {"unconnected-channel", "a started channel's stream port is connected", kSwitchModel},
    {"queue-depth", "no task is queued behind one that never ends", "aie-rt StartQSizeMax"},
    {"finite-infinite", "an endless lock-free MM2S does not feed a finite S2MM", kHardware},
    {"low-memory", "constants in a memory tile lie at 0x14000 or above", kHardware},
    {"unwritten-memory", "memory that a memory tile sends is written by something", "no reader without writer"},
    {"core-control", "an enabled core has a program and is not in reset", kMap},
    {"jump-target", "direct jumps of machine code go to 16-byte boundaries of program memory", kHardware},
    {"channel-reset", "no DMA channel is left in reset", kMap},
    {"axi-attributes", "shim descriptors use burst 3, cache 2, QoS 0", kHardware},
    {"patch", "DDR_PATCH names word 1 of a shim descriptor and one of bo0 to bo4", kHardware},
    {"unpatched", "a shim descriptor gets its buffer address before it is queued", "aie-rt shim BD flow"},
    {"token-controller", "a channel that issues tokens has controller id 15", "real instruction streams"},
    {"sync", "every wait has a token that will come", kHardware},
    {"no-wait", "a stream that starts output transfers waits for one", kHardware},
    {"stream-header", "the header names this device's grid", "aie-codegen xaie_txn.h"},
    {"shim-route", "a queued shim channel is connected by the configuration", kSwitchModel},
    {"container", "sections, memory banks, kernel and partition of an xclbin agree", kContainer},
    {"partition-width", "the configuration stays inside the columns of the partition", kContainer},
};

std::string at_text(const char* what, uint32_t offset) { return fmt::format("{} at {:#x}", what, offset); }

void check_cdo_command(const Device& device, const CdoCommand& c, Report& report) {
  struct Visitor {
    const Device& device;
    const CdoCommand& c;
    Report& report;
    std::string where() const { return at_text("command", c.offset); }
    void operator()(const CdoWrite& w) const { check_write(device, w.address, ~0u, w.value, where(), report); }
    void operator()(const CdoMaskWrite& w) const { check_write(device, w.address, w.mask, w.value, where(), report); }
    void operator()(const CdoDmaWrite& d) const { check_block(device, d.address, d.data, where(), report); }
    void operator()(const CdoNop&) const {}
    void operator()(const CdoMaskPoll&) const {}
    void operator()(const CdoOther&) const {
      report.add("unknown-command", where(), fmt::format("command {} is not known, expected WRITE, MASK_WRITE, MASK_POLL, DMA_WRITE or NOP", command_name(c)));
    }
  };
  std::visit(Visitor{device, c, report}, c.body);
}

void lint_cdo(const Cdo& cdo, RegisterFile& regs, Report& report) {
  for (const CdoCommand& c : cdo.commands) check_cdo_command(regs.device(), c, report);
  regs.apply(cdo);
  lint_switches(regs, report);
  lint_tasks(regs, report);
  lint_cores(regs, report);
  lint_code(cdo, regs.device(), report);
}

void check_sections(const Xclbin& x, Report& report) {
  constexpr SectionKind kNeeded[] = {SectionKind::mem_topology, SectionKind::aie_partition, SectionKind::embedded_metadata,
                                     SectionKind::ip_layout, SectionKind::connectivity};
  for (const SectionKind kind : kNeeded)
    if (!x.find(kind)) report.add("container", name(kind), "section is missing");
  const Section* banks = x.find(SectionKind::mem_topology);
  const Section* ips = x.find(SectionKind::ip_layout);
  const Section* connections = x.find(SectionKind::connectivity);
  if (!banks || !ips || !connections) return;
  const size_t bank_count = std::get<MemTopology>(banks->body).banks.size(), ip_count = std::get<IpLayout>(ips->body).entries.size();
  for (const Connection& c : std::get<Connectivity>(connections->body).connections)
    if (c.bank < 0 || static_cast<size_t>(c.bank) >= bank_count || c.ip < 0 || static_cast<size_t>(c.ip) >= ip_count)
      report.add("container", "CONNECTIVITY",
                 fmt::format("argument {} is connected to ip {} and bank {}, expected below {} and {}", c.argument, c.ip, c.bank, ip_count, bank_count));
}

// The kernel's name, id and arguments in the three places that state them.
void check_kernel(const Xclbin& x, Report& report) {
  const Section* metadata = x.find(SectionKind::embedded_metadata);
  const Section* ips = x.find(SectionKind::ip_layout);
  const AiePartition* partition = x.partition();
  if (!metadata || !ips || !partition) return;
  const auto kernels = read_kernel_xml(std::get<Metadata>(metadata->body).xml);
  if (!kernels) return report.add("container", "EMBEDDED_METADATA", kernels.error().message);
  for (const KernelMetadata& k : *kernels) {
    bool in_layout = false, in_group = false;
    for (const IpEntry& e : std::get<IpLayout>(ips->body).entries) in_layout |= e.name == k.name + ":" + k.instance && e.kernel_id() == (k.kernel_id & 0xFFF);
    for (const PartitionPdi& p : partition->pdis)
      for (const CdoGroup& g : p.groups)
        for (const uint64_t id : g.kernel_ids) in_group |= id == k.kernel_id;
    if (!in_layout)
      report.add("container", "IP_LAYOUT", fmt::format("no entry {}:{} with kernel id {:#x}", k.name, k.instance, k.kernel_id));
    if (!in_group) report.add("container", "AIE_PARTITION", fmt::format("no cdo_group lists kernel id {:#x}", k.kernel_id));
    const auto buffers = std::count_if(k.arguments.begin(), k.arguments.end(), [](const KernelArgument& a) { return a.global && a.name != "instr"; });
    if (buffers > static_cast<long>(kMaxBufferArguments))
      report.add("patch", "EMBEDDED_METADATA", fmt::format("{} buffer arguments, expected at most {}", buffers, kMaxBufferArguments));
  }
}

void lint_xclbin(const Xclbin& x, RegisterFile& regs, Report& report) {
  check_sections(x, report);
  check_kernel(x, report);
  const AiePartition* partition = x.partition();
  if (!partition) return;
  if (partition->pdis.empty()) report.add("container", "AIE_PARTITION", "no PDI");
  for (const PartitionPdi& p : partition->pdis) {
    const auto pdi = read_pdi(p.image);
    if (!pdi) {
      report.add("container", "AIE_PARTITION", pdi.error().message);
      continue;
    }
    lint_cdo(pdi->cdo, regs, report);
  }
  if (partition->column_width == 0 || partition->column_width > regs.device().columns)
    report.add("partition-width", "AIE_PARTITION",
               fmt::format("column_width is {}, expected 1 to {}", partition->column_width, regs.device().columns));
  for (const TileId tile : regs.tiles())
    if (tile.column >= partition->column_width)
      report.add("partition-width", name(tile), fmt::format("is configured, expected columns below {}", partition->column_width));
}

}  // namespace

std::span<const Rule> lint_rules() { return kRules; }

void Report::add(const char* rule, std::string where, std::string message) {
  if (findings_.size() == kMost) {
    ++dropped_;
    return;
  }
  if (seen_.insert({rule, where, message}).second) findings_.push_back({rule, std::move(where), std::move(message)});
}

std::vector<Finding> Report::take() {
  if (dropped_ > 0) findings_.push_back({findings_.back().rule, "all", fmt::format("{} more findings or repetitions not shown", dropped_)});
  return std::move(findings_);
}

void check_write(const Device& device, uint64_t address, uint32_t mask, uint32_t value, const std::string& where, Report& report) {
  const auto at = device.locate(address);
  if (!at) {
    report.add("address", where, fmt::format("address {:#x} lies outside the {} x {} array", address, device.columns, device.rows));
    return;
  }
  const TileKind kind = device.kind(at->tile.row);
  if (address % 4) report.add("address", where, fmt::format("address {:#x} is not a multiple of 4", address));
  if (region_of(device.tile(kind), at->offset) != Region::registers) return;
  const auto reg = find_register(device, kind, at->offset);
  if (!reg) return report.add("register", where, fmt::format("{} {} tile has no register at {:#07x}", name(at->tile), name(kind), at->offset));
  if (reg->read_only) report.add("register", where, fmt::format("{} {} is read-only", name(at->tile), reg->name));
  if (const uint32_t extra = value & mask & ~reg->mask())
    report.add("reserved-bits", where, fmt::format("{} {} = {:#x} sets bits {:#x} that belong to no field", name(at->tile), reg->name, value, extra));
}

void check_block(const Device& device, uint64_t address, const std::vector<uint32_t>& data, const std::string& where, Report& report) {
  if (data.empty()) return;
  const auto first = device.locate(address), last = device.locate(address + 4 * (data.size() - 1));
  const bool inside = first && last && first->tile == last->tile &&
                      region_of(device.tile(first->tile), first->offset) == region_of(device.tile(last->tile), last->offset);
  if (!inside) {
    report.add("memory-range", where, fmt::format("{} words from {:#x} leave the memory they start in", data.size(), address));
    return;
  }
  if (region_of(device.tile(first->tile), first->offset) != Region::registers) return;
  for (size_t i = 0; i < data.size(); ++i) check_write(device, address + 4 * i, ~0u, data[i], where, report);
}

std::vector<Finding> lint(std::span<const NpuFile> files, const Device& device) {
  Report report;
  RegisterFile regs(device);
  bool configured = false;
  for (const NpuFile& file : files) {
    if (const auto* stream = std::get_if<Transaction>(&file)) {
      lint_stream(*stream, regs, configured, report);
      continue;
    }
    configured = true;
    if (const auto* x = std::get_if<Xclbin>(&file)) lint_xclbin(*x, regs, report);
    if (const auto* p = std::get_if<Pdi>(&file)) lint_cdo(p->cdo, regs, report);
    if (const auto* c = std::get_if<Cdo>(&file)) lint_cdo(*c, regs, report);
  }
  return report.take();
}

}  // namespace onebit::npu
