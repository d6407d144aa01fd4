#include "npu/image/lint.h"

#include <algorithm>
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "npu/device/registers.h"
#include "npu/device/stream_switch.h"
#include "npu/image/example_program.h"

namespace onebit::npu {
namespace {

const Device& xdna2() { return device(Generation::aie2p); }
constexpr TileId kShim{0, 0}, kMem{0, 1}, kCore{0, 2};

std::vector<Finding> lint_cdo(const Cdo& cdo) {
  const std::vector<NpuFile> files{cdo};
  return lint(files, xdna2());
}
std::vector<Finding> lint_pair(const Cdo& cdo, const Transaction& stream) {
  const std::vector<NpuFile> files{cdo, stream};
  return lint(files, xdna2());
}
std::string text(const std::vector<Finding>& findings) {
  std::string all;
  for (const Finding& f : findings) all += fmt::format("{}: {} [{}]\n", f.where, f.message, f.rule);
  return all;
}
bool has(const std::vector<Finding>& findings, const std::string& rule) {
  return std::any_of(findings.begin(), findings.end(), [&rule](const Finding& f) { return f.rule == rule; });
}

// The word that ends up at a register of the example, wherever the command is.
uint32_t* word_at(Cdo& cdo, TileId tile, uint32_t offset) {
  const uint64_t address = address_of(tile, offset);
  uint32_t* found = nullptr;
  for (CdoCommand& c : cdo.commands) {
    if (auto* w = std::get_if<CdoWrite>(&c.body); w && w->address == address) found = &w->value;
    if (auto* m = std::get_if<CdoMaskWrite>(&c.body); m && m->address == address && m->mask) found = &m->value;
    if (auto* d = std::get_if<CdoDmaWrite>(&c.body); d && address >= d->address && address < d->address + 4 * d->data.size())
      found = &d->data[(address - d->address) / 4];
  }
  return found;
}

void append(Cdo& cdo, TileId tile, uint32_t offset, uint32_t value) { cdo.commands.push_back({CdoWrite{address_of(tile, offset), value}}); }

TEST(Lint, TheProgramThatRanOnHardwareIsClean) {
  EXPECT_EQ(text(lint_cdo(testing::example_cdo())), "");
  for (const bool compact : {false, true}) {
    const Transaction stream = testing::example_stream(compact);
    EXPECT_EQ(text(lint_pair(testing::example_cdo(), stream)), "");
    const std::vector<NpuFile> alone{stream};
    EXPECT_EQ(text(lint(alone, xdna2())), "");
  }
  const std::vector<NpuFile> container{make_xclbin(write_pdi(make_pdi(testing::example_cdo())), {})};
  EXPECT_EQ(text(lint(container, xdna2())), "");
}

TEST(Lint, ForeignPairIsClean) {
  const auto xclbin = testing::foreign_sample(testing::kForeignXclbin), stream = testing::foreign_sample(testing::kForeignStream);
  if (!xclbin || !stream) GTEST_SKIP() << "no foreign sample on this machine";
  const std::vector<NpuFile> files{read_npu_file(*xclbin).value(), read_npu_file(*stream).value()};
  EXPECT_EQ(text(lint(files, xdna2())), "");
}

struct CdoCase {
  const char* rule;
  const char* message;  // part of it
  std::function<void(Cdo&)> change;
};

TEST(Lint, EachConfigurationRuleFires) {
  const auto set = [](TileId tile, uint32_t offset, uint32_t value) {
    return [=](Cdo& c) { *word_at(c, tile, offset) = value; };
  };
  const std::vector<CdoCase> cases{
      {"token-route", "slave TILE_CTRL is not enabled", set(kShim, 0x3F100, 0)},
      {"token-route", "no slot of TILE_CTRL sends id 15 to SOUTH0", set(kShim, 0x3F200, 0x0E1F0135)},
      {"token-route", "master SOUTH0 is not enabled", set(kShim, 0x3F008, 0)},
      {"lane", "is fed by slave SOUTH3, expected lane 4", [](Cdo& c) { append(c, kMem, 0xB003C, 0x8000000A); }},
      {"connection", "selects slave 25, expected below 25", set(kCore, 0x3F004, 0x80000019)},
      {"connection", "selects slave EAST3, which is not enabled", set(kCore, 0x3F004, 0x80000016)},
      {"connection", "is fed by slave DMA0, expected a slave it is wired to", [](Cdo& c) { *word_at(c, kMem, 0xB0004) = 0x80000000; }},
      {"open-wire", "drives (0,2) slave SOUTH2, which is not enabled", [](Cdo& c) { append(c, kMem, 0xB0034, 0x80000000); }},
      {"open-wire", "points outside the array", [](Cdo& c) { append(c, kCore, 0x3F024, 0x80000006); }},
      {"open-wire", "listens outside the array", [](Cdo& c) { append(c, kCore, 0x3F12C, 0x80000000); }},
      {"unused-slave", "no master selects it", [](Cdo& c) { append(c, kCore, 0x3F110, 0x80000000); }},
      {"packet-route", "which no master takes", set(kShim, 0x3F200, 0x0F1F0134)},
      {"packet-route", "arbiter is 7, expected below 6", set(kShim, 0x3F008, 0xC0000047)},
      {"shim-mux", "is enabled, but (0,0) MM2S 1 is not selected in the mux", set(kShim, 0x1F000, 0)},
      {"shim-mux", "is selected, but (0,0) slave SOUTH7 is not enabled", set(kShim, 0x3F124, 0)},
      {"bd-range", "(0,1) BD 50", set(kMem, 0xA0604, 50)},
      {"bd-parity", "is used by (0,1) S2MM 0, expected BDs 0 to 23", set(kMem, 0xA0604, 24)},
      {"bd-invalid", "not all its words are written", set(kMem, 0xA0604, 9)},
      {"bd-invalid", "its valid bit is 0", set(kMem, 0xA001C, 0x0141ff40)},
      {"bd-invalid", "its length is 0", set(kCore, 0x1D040, 0x8d00000)},
      {"bd-dimension", "dimension 1 is never reached", set(kMem, 0xA0048, 0)},
      {"bd-memory", "reaches byte", set(kCore, 0x1D040, 0xfd00900)},
      {"bd-memory", "in no memory tile of the array", set(kMem, 0xA0004, 0x180000)},
      {"padding", "but (0,1) S2MM 0 receives", set(kMem, 0xA0004, 0x41a0000)},
      {"lock-range", "uses lock 1, in no memory tile", set(kMem, 0xA001C, 0x8101ff40)},
      {"lock-stuck", "waits for lock 4 of (0,1), which starts at 0 and is never released",
       [](Cdo& c) { *word_at(c, kMem, 0xA00BC) = 0x8045ff45; *word_at(c, kMem, 0xC0040) = 0; }},
      {"lock-unused", "releases lock 7 of (0,1), which no task waits for", set(kMem, 0xA001C, 0x8147ff40)},
      {"no-effect", "but packets are off", set(kCore, 0x1D044, 0x00080000)},
      {"no-effect", "but acquiring is off", set(kMem, 0xA001C, 0x81417f40)},
      {"no-effect", "but does not use it", set(kMem, 0xA0064, 0x220000 + 0x8000)},
      {"no-effect", "but a single iteration", set(kMem, 0xA0018, 3)},
      {"no-effect", "an iteration that does not exist", set(kMem, 0xA0018, 1u << 23)},
      {"no-effect", "repeats a task that never ends", set(kMem, 0xA0604, 0x00020000)},
      {"no-effect", "drops headers, but is in circuit mode", set(kCore, 0x3F004, 0x80000086)},
      {"packet-mode", "has packets on, but switch port DMA0 has them off", set(kCore, 0x1D084, 0x40000000)},
      {"packet-mode", "sends packets, but its channel receives", set(kCore, 0x1D044, 0x40000000)},
      {"compression", "compresses, but its channel does not", set(kCore, 0x1D044, 0x80000000)},
      {"stream-length", "sends 8193 words to (0,1) BD 4, which takes 8192", set(kCore, 0x1D080, 0xd02001)},
      {"unused-bd", "(0,2) BD 1", set(kCore, 0x1D014, 0x6043fe0)},
      {"token-controller", "controller id 0, expected 15", set(kCore, 0x1DE14, 0x80000004)},
      {"unconnected-channel", "switch port DMA0 is not enabled", set(kCore, 0x3F104, 0)},
      {"queue-depth", "behind one that never ends", [](Cdo& c) { append(c, kCore, 0x1DE04, 1); }},
      {"finite-infinite", "feeds the finite (0,2) S2MM 0",
       [](Cdo& c) {
         *word_at(c, kMem, 0xA005C) = 0x80000000;  // the sender's ring without locks
         *word_at(c, kMem, 0xA007C) = 0x80000000;
         *word_at(c, kCore, 0x1D034) = 0x2043fe0;  // the receiver ends after its second buffer
       }},
      {"low-memory", "sends constants from byte 0x0",
       [](Cdo& c) {
         c.commands.push_back({CdoDmaWrite{address_of(kMem, 0), std::vector<uint32_t>(0x8000, 1)}});
         for (const uint32_t bd : {0u, 1u}) *word_at(c, kMem, 0xA0004 + 0x20 * bd) += 0x10000;  // the receiver writes elsewhere
       }},
      {"unwritten-memory", "not all of which something writes", [](Cdo& c) { for (const uint32_t bd : {0u, 1u}) *word_at(c, kMem, 0xA0004 + 0x20 * bd) += 0x10000; }},
      {"core-control", "enabled without a program", [](Cdo& c) {
         for (CdoCommand& command : c.commands)
           if (auto* d = std::get_if<CdoDmaWrite>(&command.body); d && d->address == address_of(kCore, 0x20000)) d->address = address_of(kCore, 0);
       }},
      {"core-control", "enabled and in reset", [](Cdo& c) { append(c, kCore, kCoreControl, 3); }},
      {"address", "outside the 8 x 6 array", [](Cdo& c) { append(c, {8, 0}, 0, 1); }},
      {"register", "has no register at 0x36000", [](Cdo& c) { append(c, kCore, 0x36000, 1); }},
      {"register", "CORE.CORE_STATUS is read-only", [](Cdo& c) { append(c, kCore, 0x32004, 1); }},
      {"reserved-bits", "sets bits 0x100 that belong to no field", [](Cdo& c) { append(c, kCore, 0x1F000, 0x101); }},
      {"memory-range", "leave the memory they start in", [](Cdo& c) { c.commands.push_back({CdoDmaWrite{address_of(kCore, 0xFFFC), {1, 2}}}); }},
      {"unknown-command", "command 0x104 is not known", [](Cdo& c) { c.commands.push_back({CdoOther{0x104, {5}}}); }},
  };
  for (const CdoCase& test : cases) {
    Cdo cdo = testing::example_cdo();
    test.change(cdo);
    const auto findings = lint_cdo(cdo);
    const bool found = std::any_of(findings.begin(), findings.end(), [&test](const Finding& f) {
      return f.rule == std::string(test.rule) && (f.where + " " + f.message).find(test.message) != std::string::npos;
    });
    EXPECT_TRUE(found) << test.rule << ": " << test.message << "\n" << text(findings);
  }
}

struct StreamCase {
  const char* rule;
  const char* message;
  std::function<void(Transaction&)> change;
};

TEST(Lint, EachStreamRuleFires) {
  const auto bd_word = [](size_t op, size_t word, uint32_t value) {
    return [=](Transaction& t) { std::get<TxnBlockWrite>(t.ops[op].body).data[word] = value; };
  };
  const std::vector<StreamCase> cases{
      {"axi-attributes", "burst 3, cache 2, QoS 15; expected 3, 2, 0", bd_word(0, 5, 0x02F000FF)},
      {"axi-attributes", "cache 14", bd_word(0, 5, 0x0E0000FF)},
      {"axi-attributes", "burst 0", bd_word(3, 4, 0)},
      {"bd-invalid", "valid bit is 0", bd_word(0, 7, 0)},
      {"patch", "patches bo5, expected bo0 to bo4", [](Transaction& t) { std::get<TxnDdrPatch>(t.ops[1].body).argument = 5; }},
      {"patch", "expected word 1 of a shim descriptor", [](Transaction& t) { std::get<TxnDdrPatch>(t.ops[1].body).address += 4; }},
      {"unpatched", "no DDR_PATCH gave it a buffer", [](Transaction& t) { t.ops.erase(t.ops.begin() + 1); }},
      {"token-controller", "controller id 0, expected 15", [](Transaction& t) { t.ops.erase(t.ops.begin() + 8); }},
      {"sync", "a token of (1,0) S2MM 0 that no task issues", [](Transaction& t) { std::get<TxnSync>(t.ops.back().body).columns = 2; }},
      {"sync", "that no task issues", [](Transaction& t) { t.ops.push_back(t.ops.back()); }},
      {"sync", "waits for no tile", [](Transaction& t) { std::get<TxnSync>(t.ops.back().body).rows = 0; }},
      {"no-wait", "waits for none", [](Transaction& t) { t.ops.pop_back(); }},
      {"stream-header", "generation 3", [](Transaction& t) { t.generation = 3; }},
      {"shim-route", "does not connect SOUTH3", [](Transaction& t) {
         std::get<TxnMaskWrite>(t.ops[8].body).address += 8;
         std::get<TxnWrite>(t.ops[9].body).address += 8;
       }},
      {"token-route", "TILE_CTRL is not enabled", [](Transaction& t) {
         for (size_t i : {6u, 7u, 8u, 9u}) std::visit([](auto& b) { if constexpr (requires { b.address; }) b.address += 1u << kColumnShift; }, t.ops[i].body);
         std::get<TxnSync>(t.ops.back().body).column = 1;
       }},
      {"address", "outside", [](Transaction& t) { t.ops.push_back({TxnWrite{0xFFFFFFFF0, 1}}); }},
  };
  for (const StreamCase& test : cases) {
    Transaction stream = testing::example_stream();
    test.change(stream);
    const auto findings = lint_pair(testing::example_cdo(), stream);
    const bool found = std::any_of(findings.begin(), findings.end(), [&test](const Finding& f) {
      return f.rule == std::string(test.rule) && f.message.find(test.message) != std::string::npos;
    });
    EXPECT_TRUE(found) << test.rule << ": " << test.message << "\n" << text(findings);
  }
}

TEST(Lint, ContainerRules) {
  Xclbin x = make_xclbin(write_pdi(make_pdi(testing::example_cdo())), {});
  std::get<Connectivity>(x.sections[4].body).connections[0].bank = 2;
  std::get<IpLayout>(x.sections[3].body).entries[0].name = "OTHER:NAME";
  std::get<AiePartition>(x.sections[1].body).column_width = 0;
  const std::vector<NpuFile> files{x};
  const auto findings = lint(files, xdna2());
  EXPECT_TRUE(has(findings, "container")) << text(findings);
  EXPECT_TRUE(has(findings, "partition-width")) << text(findings);
  EXPECT_NE(text(findings).find("expected below 1 and 2"), std::string::npos) << text(findings);
  EXPECT_NE(text(findings).find("no entry MLIR_AIE:MLIRAIE"), std::string::npos) << text(findings);
}

TEST(Lint, EveryFindingNamesARuleOfTheCatalogue) {
  std::set<std::string> ids;
  for (const Rule& r : lint_rules()) EXPECT_TRUE(ids.insert(r.id).second) << r.id;
  Cdo noise;
  for (uint32_t i = 0; i < 3000; ++i) noise.commands.push_back({CdoWrite{i * 2654435761u, i * 2246822519u}});
  const auto findings = lint_cdo(noise);
  EXPECT_LE(findings.size(), 1001u) << "the report is bounded";
  EXPECT_GT(findings.size(), 100u);
  for (const Finding& f : findings) EXPECT_TRUE(ids.contains(f.rule)) << f.rule;
}

// Breaks one word of the example at a time: every switch, descriptor, queue and lock word, by each bit.
// The linter alone is not expected to see a changed length or address; the share is a floor.
TEST(Lint, ShareOfBrokenSwitchWordsThatIsSeen) {
  size_t seen = 0, total = 0;
  const Cdo good = testing::example_cdo();
  for (size_t i = 0; i < good.commands.size(); ++i) {
    const auto* w = std::get_if<CdoWrite>(&good.commands[i].body);
    const auto at = w ? xdna2().locate(w->address) : std::nullopt;
    if (!at || !find_switch_register(xdna2().tile(at->tile), at->offset)) continue;
    for (unsigned bit = 0; bit < 32; ++bit) {
      Cdo broken = good;
      std::get<CdoWrite>(broken.commands[i].body).value ^= 1u << bit;
      ++total;
      seen += !lint_cdo(broken).empty();
    }
  }
  EXPECT_GT(total, 500u);
  EXPECT_GE(seen * 100, total * 95) << seen << " of " << total;
}

}  // namespace
}  // namespace onebit::npu
