// onebit npu inspect: sections, arguments, partition, and the configuration as registers by name.
#include <algorithm>
#include <cstdio>
#include <map>

#include <nlohmann/json.hpp>

#include "npu/device/buffer_descriptor.h"
#include "npu/device/registers.h"
#include "verb.h"
#include "verb_npu.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace npu;

// One register or memory access: where, what, and how it is shown.
Json target_json(const Device& device, uint64_t address) {
  Json j;
  const auto at = device.locate(address);
  if (!at) {
    j["address"] = address;
    return j;
  }
  const TileKind kind = device.kind(at->tile.row);
  j["tile"] = {at->tile.column, at->tile.row};
  j["tile_kind"] = npu::name(kind);
  j["offset"] = at->offset;
  switch (region_of(device.tile(kind), at->offset)) {
    case Region::data_memory: j["memory"] = "data"; break;
    case Region::program_memory: j["memory"] = "program"; break;
    case Region::registers:
      if (const auto r = find_register(device, kind, at->offset)) j["register"] = r->name;
      break;
  }
  return j;
}

void add_fields(Json& j, const Device& device, uint64_t address, uint32_t value) {
  const auto at = device.locate(address);
  if (!at) return;
  const TileKind kind = device.kind(at->tile.row);
  if (region_of(device.tile(kind), at->offset) != Region::registers) return;
  const auto r = find_register(device, kind, at->offset);
  if (!r) return;
  Json fields = Json::object();
  for (const Field& f : r->fields)
    if (f.get(value)) fields[f.name] = f.get(value);
  j["fields"] = std::move(fields);
  j["text"] = describe_fields(*r, value);
}

Json write_json(const Device& device, uint64_t address, uint32_t value) {
  Json j = target_json(device, address);
  j["value"] = value;
  add_fields(j, device, address, value);
  return j;
}

Json masked_json(const Device& device, uint64_t address, uint32_t mask, uint32_t value) {
  Json j = target_json(device, address);
  j["mask"] = mask;
  j["value"] = value;
  add_fields(j, device, address, value);
  return j;
}

std::string lock_text(const BufferDescriptor& bd) {
  std::string text;
  if (bd.acquire)
    text += bd.acquire_value < 0 ? fmt::format(", acquire lock {} >= {}", bd.acquire_lock, -bd.acquire_value)
                                 : fmt::format(", acquire lock {} == {}", bd.acquire_lock, bd.acquire_value);
  if (bd.release_value) text += fmt::format(", release lock {} {:+}", bd.release_lock, bd.release_value);
  return text;
}

// "BD 3: 32768 words at 0xa8000, [1:4, 32:32, 4:8, 1024], acquire lock 65 >= 1, ..."
std::string bd_text(TileKind kind, unsigned index, const BufferDescriptor& bd) {
  std::string text = fmt::format("BD {}: {} words at {:#x}", index, bd.length, kind == TileKind::shim ? bd.base : bd.base * 4);
  const size_t dims = kind == TileKind::mem ? 4 : 3;
  if (std::any_of(bd.dims.begin(), bd.dims.end(), [](const BdDimension& d) { return d != BdDimension{}; })) {
    text += ", step:wrap [";
    for (size_t i = 0; i < dims; ++i)
      text += fmt::format("{}{}{}", i ? ", " : "", bd.dims[i].step, bd.dims[i].wrap ? fmt::format(":{}", bd.dims[i].wrap) : "");
    text += "]";
  }
  if (bd.iteration_wrap > 1 || bd.iteration_step > 1) text += fmt::format(", iteration {}:{}", bd.iteration_step, bd.iteration_wrap);
  text += lock_text(bd);
  if (bd.use_next) text += fmt::format(", next {}", bd.next);
  if (!bd.valid) text += ", not valid";
  return text;
}

Json block_json(const Device& device, uint64_t address, const std::vector<uint32_t>& data) {
  Json j = target_json(device, address);
  j["words"] = data.size();
  const auto at = device.locate(address);
  if (!at || j.contains("memory")) return j;
  const TileKind kind = device.kind(at->tile.row);
  const auto bd = find_bd_register(device.tile(kind), at->offset);
  if (bd && bd->word == 0 && data.size() >= device.tile(kind).dma.bd_words)
    j["text"] = bd_text(kind, bd->bd, decode_bd(kind, data));
  Json registers = Json::array();
  for (size_t i = 0; i < data.size(); ++i) registers.push_back(write_json(device, address + 4 * i, data[i]));
  j["registers"] = std::move(registers);
  return j;
}

Json command_json(const Device& device, const CdoCommand& c) {
  struct Visitor {
    const Device& device;
    Json operator()(const CdoNop& n) const { return {{"words", n.words}}; }
    Json operator()(const CdoWrite& w) const { return write_json(device, w.address, w.value); }
    Json operator()(const CdoMaskWrite& w) const { return masked_json(device, w.address, w.mask, w.value); }
    Json operator()(const CdoMaskPoll& p) const {
      Json j = masked_json(device, p.address, p.mask, p.expected);
      j["timeout_ms"] = p.timeout_ms;
      return j;
    }
    Json operator()(const CdoDmaWrite& d) const { return block_json(device, d.address, d.data); }
    Json operator()(const CdoOther& o) const { return {{"unknown", true}, {"header", o.header}, {"payload", o.payload}}; }
  };
  Json j{{"at", c.offset}, {"command", command_name(c)}};
  j.update(std::visit(Visitor{device}, c.body));
  return j;
}

Json op_json(const Device& device, const TxnOp& op) {
  struct Visitor {
    const Device& device;
    Json operator()(const TxnNoop&) const { return Json::object(); }
    Json operator()(const TxnWrite& t) const { return write_json(device, t.address, t.value); }
    Json operator()(const TxnBlockWrite& t) const { return block_json(device, t.address, t.data); }
    Json operator()(const TxnMaskWrite& t) const { return masked_json(device, t.address, t.mask, t.value); }
    Json operator()(const TxnMaskPoll& t) const { return masked_json(device, t.address, t.mask, t.value); }
    Json operator()(const TxnPreempt& t) const { return {{"level", t.level}}; }
    Json operator()(const TxnLoadPdi& t) const { return {{"pdi_id", t.pdi_id}, {"size", t.size}, {"address", t.address}}; }
    Json operator()(const TxnSync& t) const {
      return {{"tile", {t.column, t.row}}, {"direction", npu::name(t.direction)}, {"channel", t.channel},
              {"columns", t.columns}, {"rows", t.rows},
              {"text", fmt::format("wait for {} channel {}, {} x {} tiles", npu::name(t.direction), t.channel, t.columns, t.rows)}};
    }
    Json operator()(const TxnDdrPatch& t) const {
      Json j = target_json(device, t.address);
      j["argument"] = t.argument;
      j["byte_offset"] = t.offset;
      j["text"] = fmt::format("bo{} + {:#x}", t.argument, t.offset);
      return j;
    }
    Json operator()(const TxnOther& t) const { return {{"unknown", true}, {"words", t.words}}; }
  };
  Json j{{"at", op.offset}, {"command", op_name(op)}};
  j.update(std::visit(Visitor{device}, op.body));
  if (!op.unusual.empty()) j["unusual_bits"] = op.unusual;
  return j;
}

Json cdo_json(const Device& device, const Cdo& cdo) {
  Json commands = Json::array();
  for (const CdoCommand& c : cdo.commands) commands.push_back(command_json(device, c));
  return {{"file", "CDO"}, {"commands", std::move(commands)}};
}

Json pdi_json(const Device& device, const Pdi& pdi) {
  namespace t = image_header_table;
  namespace i = image_header;
  Json j{{"file", "PDI"},
         {"image", pdi.image_name()},
         {"image_id", pdi.image[i::image_id]},
         {"id_code", pdi.table[t::id_code]},
         {"pdi_id", pdi.table[t::pdi_id]},
         {"revoke_id", pdi.image[i::revoke_id]},
         {"measurement", pdi.image[i::measurement]}};
  j["commands"] = cdo_json(device, pdi.cdo)["commands"];
  return j;
}

Json partition_json(const Device& device, const AiePartition& p) {
  Json j{{"name", p.name}, {"operations_per_cycle", p.operations_per_cycle}, {"inference_fingerprint", p.inference_fingerprint},
         {"pre_post_fingerprint", p.pre_post_fingerprint}, {"column_width", p.column_width}, {"start_columns", p.start_columns}};
  Json pdis = Json::array();
  for (const PartitionPdi& entry : p.pdis) {
    Json groups = Json::array();
    for (const CdoGroup& g : entry.groups)
      groups.push_back({{"name", g.name}, {"type", g.type}, {"pdi_id", g.pdi_id}, {"kernel_ids", g.kernel_ids}, {"pre_groups", g.pre_groups}});
    Json e{{"uuid", to_string(entry.uuid)}, {"bytes", entry.image.size()}, {"groups", std::move(groups)}};
    const auto pdi = read_pdi(entry.image);
    if (pdi)
      e["pdi"] = pdi_json(device, *pdi);
    else
      e["error"] = pdi.error().message;
    pdis.push_back(std::move(e));
  }
  j["pdis"] = std::move(pdis);
  return j;
}

Json section_json(const Section& s) {
  struct Visitor {
    Json operator()(const Opaque& o) const { return {{"bytes", o.bytes.size()}}; }
    Json operator()(const Metadata& m) const { return {{"xml", m.xml}}; }
    Json operator()(const AiePartition&) const { return Json::object(); }
    Json operator()(const MemTopology& t) const {
      Json banks = Json::array();
      for (const MemoryBank& b : t.banks)
        banks.push_back({{"tag", b.tag}, {"type", b.type}, {"used", b.used}, {"size_kb", b.size_kb}, {"base", b.base}});
      return {{"banks", banks}};
    }
    Json operator()(const IpLayout& l) const {
      Json entries = Json::array();
      for (const IpEntry& e : l.entries) entries.push_back({{"name", e.name}, {"type", e.type}, {"properties", e.properties}, {"kernel_id", e.kernel_id()}});
      return {{"ips", entries}};
    }
    Json operator()(const Connectivity& c) const {
      Json list = Json::array();
      for (const Connection& n : c.connections) list.push_back({{"argument", n.argument}, {"ip", n.ip}, {"bank", n.bank}});
      return {{"connections", list}};
    }
  };
  Json j{{"kind", static_cast<uint32_t>(s.kind)}, {"kind_name", npu::name(s.kind)}, {"name", fixed_text(s.name)},
         {"offset", s.offset}, {"size", write_section(s).size()}};
  j.update(std::visit(Visitor{}, s.body));
  return j;
}

Json kernels_json(const Xclbin& x) {
  Json list = Json::array();
  const Section* s = x.find(SectionKind::embedded_metadata);
  if (!s) return list;
  const auto kernels = read_kernel_xml(std::get<Metadata>(s->body).xml);
  if (!kernels) return {{{"error", kernels.error().message}}};
  for (const KernelMetadata& k : *kernels) {
    Json arguments = Json::array();
    for (const KernelArgument& a : k.arguments)
      arguments.push_back({{"id", a.id}, {"name", a.name}, {"type", a.type}, {"offset", a.offset}, {"size", a.size}, {"global", a.global}});
    list.push_back({{"name", k.name}, {"instance", k.instance}, {"type", k.type}, {"kernel_id", k.kernel_id}, {"arguments", arguments}});
  }
  return list;
}

Json file_json(const Device& device, const NpuFile& file) {
  struct Visitor {
    const Device& device;
    Json operator()(const Pdi& p) const { return pdi_json(device, p); }
    Json operator()(const Cdo& c) const { return cdo_json(device, c); }
    Json operator()(const Transaction& t) const {
      const Device* own = device_for_stream(t.generation);
      Json ops = Json::array();
      for (const TxnOp& op : t.ops) ops.push_back(op_json(own ? *own : device, op));
      return {{"file", "instruction stream"}, {"version", fmt::format("{}.{}", t.major, t.minor)}, {"generation", t.generation},
              {"rows", t.rows}, {"columns", t.columns}, {"mem_rows", t.mem_rows}, {"commands", std::move(ops)}};
    }
    Json operator()(const Xclbin& x) const {
      Json j{{"file", "xclbin"}, {"uuid", to_string(x.uuid)}, {"time_stamp", x.time_stamp},
             {"version", fmt::format("{}.{}.{}", x.version_major, x.version_minor, x.version_patch)}, {"trailer_bytes", x.trailer.size()}};
      Json sections = Json::array();
      for (const Section& s : x.sections) sections.push_back(section_json(s));
      j["sections"] = std::move(sections);
      j["kernels"] = kernels_json(x);
      if (const AiePartition* p = x.partition()) j["partition"] = partition_json(device, *p);
      return j;
    }
  };
  return std::visit(Visitor{device}, file);
}

// --- text ---

std::string shown(const Json& text) { return printable(text.get<std::string>()); }

std::string target_text(const Json& c) {
  if (c.contains("register")) return c["register"];
  if (c.contains("memory")) return fmt::format("{} memory {:#07x}", c["memory"].get<std::string>(), c["offset"].get<uint32_t>());
  if (c.contains("offset")) return fmt::format("unnamed register {:#07x}", c["offset"].get<uint32_t>());
  return c.contains("address") ? fmt::format("address {:#x} outside the array", c["address"].get<uint64_t>()) : "";
}

void print_command(const Json& c) {
  fmt::print("  {:06x} {:<11} {}", c["at"].get<uint32_t>(), c["command"].get<std::string>(), target_text(c));
  if (c.contains("mask")) fmt::print(" mask {:#x}", c["mask"].get<uint32_t>());
  if (c.contains("value")) fmt::print(" = {:#x}", c["value"].get<uint32_t>());
  if (c.contains("words") && c["words"].is_number()) fmt::print(" {} words", c["words"].get<size_t>());
  if (c.contains("text")) fmt::print("  ({})", c["text"].get<std::string>());
  if (c.contains("unknown")) fmt::print("  UNKNOWN, kept as it is");
  fmt::print("\n");
  if (!c.contains("registers")) return;
  for (const Json& r : c["registers"])
    fmt::print("                       {} = {:#x}  ({})\n", target_text(r), r["value"].get<uint32_t>(), r.value("text", ""));
}

// Commands under the tile they configure; those without a tile come first, NOPs are counted only.
void print_commands(const Json& commands, bool in_order) {
  std::map<std::pair<int, int>, std::vector<const Json*>> tiles;
  size_t nops = 0;
  for (const Json& c : commands) {
    if (in_order) {
      if (c.contains("tile")) fmt::print("({},{})", c["tile"][0].get<int>(), c["tile"][1].get<int>());
      print_command(c);
      continue;
    }
    if (c["command"] == "NOP") {
      ++nops;
      continue;
    }
    const std::pair<int, int> key = c.contains("tile") ? std::pair(c["tile"][0].get<int>(), c["tile"][1].get<int>()) : std::pair(-1, -1);
    tiles[key].push_back(&c);
  }
  if (nops > 0) fmt::print("{} NOPs\n", nops);
  for (const auto& [tile, list] : tiles) {
    if (tile.first < 0)
      fmt::print("no tile\n");
    else
      fmt::print("tile ({},{}) {}\n", tile.first, tile.second, list.front()->value("tile_kind", ""));
    for (const Json* c : list) print_command(*c);
  }
}

void print_pdi(const Json& pdi, bool in_order) {
  fmt::print("PDI: image \"{}\", image id {:#x}, id code {:#x}, {} commands\n", shown(pdi["image"]),
             pdi["image_id"].get<uint32_t>(), pdi["id_code"].get<uint32_t>(), pdi["commands"].size());
  print_commands(pdi["commands"], in_order);
}

void print_xclbin(const Json& x, bool in_order) {
  fmt::print("xclbin {}, uuid {}, time stamp {}\n", shown(x["version"]), x["uuid"].get<std::string>(), x["time_stamp"].get<uint64_t>());
  for (const Json& s : x["sections"])
    fmt::print("section {:>2} {:<18} {:<16} offset {:#08x} size {}\n", s["kind"].get<uint32_t>(), shown(s["kind_name"]),
               shown(s["name"]), s["offset"].get<uint64_t>(), s["size"].get<size_t>());
  for (const Json& k : x["kernels"]) {
    if (k.contains("error")) {
      fmt::print("kernels: {}\n", shown(k["error"]));
      continue;
    }
    fmt::print("kernel {}:{} type {} id {:#x}\n", shown(k["name"]), shown(k["instance"]),
               shown(k["type"]), k["kernel_id"].get<uint32_t>());
    for (const Json& a : k["arguments"])
      fmt::print("  argument {} {:<8} {:<9} offset {:#04x} {}\n", a["id"].get<uint32_t>(), shown(a["name"]),
                 shown(a["type"]), a["offset"].get<uint32_t>(), a["global"].get<bool>() ? "buffer" : "scalar");
  }
  if (!x.contains("partition")) return;
  const Json& p = x["partition"];
  fmt::print("partition: {} columns, start columns {}, {} operations per cycle\n", p["column_width"].get<uint32_t>(),
             p["start_columns"].dump(), p["operations_per_cycle"].get<uint32_t>());
  for (const Json& e : p["pdis"]) {
    fmt::print("PDI uuid {}, {} bytes, groups {}\n", e["uuid"].get<std::string>(), e["bytes"].get<size_t>(), e["groups"].dump(-1, ' ', true, Json::error_handler_t::replace));
    if (e.contains("pdi"))
      print_pdi(e["pdi"], in_order);
    else
      fmt::print("  {}\n", shown(e["error"]));
  }
}

void print_text(const Json& j, bool in_order) {
  const std::string kind = j["file"];
  if (kind == "xclbin") return print_xclbin(j, in_order);
  if (kind == "PDI") return print_pdi(j, in_order);
  if (kind == "CDO")
    fmt::print("CDO: {} commands\n", j["commands"].size());
  else
    fmt::print("instruction stream {}, device generation {}, {} columns x {} rows ({} memory), {} ops\n", shown(j["version"]),
               j["generation"].get<int>(), j["columns"].get<int>(), j["rows"].get<int>(), j["mem_rows"].get<int>(), j["commands"].size());
  // A stream is a sequence in time: it reads in its own order.
  print_commands(j["commands"], in_order || kind == "instruction stream");
}

}  // namespace

Status npu_inspect(NpuArguments args) {
  std::vector<std::string> files;
  bool json = false, in_order = false;
  std::string generation = "npu2";
  Flags flags("onebit npu inspect", "explain an xclbin, PDI, CDO or instruction stream", "onebit npu inspect design.xclbin --json");
  flags.toggle("--json", "print JSON", &json);
  flags.toggle("--in-order", "list commands in file order instead of tile by tile", &in_order);
  flags.choice("--device", "register names of this generation", &generation, {"npu1", "npu2"});
  flags.positional("FILE", "xclbin, PDI, CDO or instruction stream", &files, 1);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (files.empty()) return fail(Errc::usage, "FILE is missing");
  ONEBIT_ASSIGN(const OpenedNpuFile in, open_npu_file(files[0]));
  const Json j = file_json(npu_device(generation), in.file);
  if (json)
    fmt::print("{}\n", j.dump(2, ' ', false, Json::error_handler_t::replace));
  else
    print_text(j, in_order);
  return {};
}

}  // namespace onebit::cli
