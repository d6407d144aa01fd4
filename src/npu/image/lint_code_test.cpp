// Jumps in machine code: bundles put together field by field, highest first, as the compiler's tables write them; and the
// compiled cores of a program that ran on hardware, where it lies beside the checkout.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "npu/image/bundle.h"
#include "npu/image/example_program.h"
#include "npu/image/lint.h"
#include "npu/image/program_memory.h"

namespace onebit::npu {
namespace {

const Device& xdna2() { return device(Generation::aie2p); }
constexpr TileId kCore{0, 2};

struct Field {
  unsigned width;
  uint64_t value = ~uint64_t{0};
};
// Fields from the highest bit to the lowest.
std::vector<uint8_t> bundle(const std::vector<Field>& fields) {
  std::vector<bool> bits;  // lowest first
  for (auto f = fields.rbegin(); f != fields.rend(); ++f)
    for (unsigned i = 0; i < f->width; ++i) bits.push_back(i < 64 && (f->value >> i & 1u));
  EXPECT_EQ(bits.size() % 16, 0u);
  std::vector<uint8_t> bytes(bits.size() / 8);
  for (size_t i = 0; i < bits.size(); ++i) bytes[i / 8] = static_cast<uint8_t>(bytes[i / 8] | static_cast<unsigned>(bits[i]) << i % 8);
  return bytes;
}

// The lng slot of a jump: register, address, condition, unused, operation.
constexpr uint64_t jump_slot(uint32_t target, unsigned op, unsigned condition = 1) { return uint64_t{0x1F} << 37 | uint64_t{target} << 17 | uint64_t{condition} << 16 | uint64_t{0xFFF8} | op; }
constexpr unsigned kJ = 0b010, kJl = 0b100, kBranch = 0b110;

constexpr Field kLda{20}, kLdb{17}, kSt{20}, kVec{26};
// Every format that has a lng slot.
std::vector<std::vector<Field>> formats(uint64_t lng) {
  const Field slot{42, lng}, no{1, 0};
  const auto zeros = [](unsigned n) { return Field{n, 0}; };
  return {
      {slot, no, {2, 0}, {3, 0b100}},
      {kLda, zeros(6), slot, no, {7, 0b0001011}, {4, 0b1010}},
      {zeros(4), kLdb, zeros(5), slot, no, {7, 0b0000011}, {4, 0b1010}},
      {kSt, zeros(6), slot, no, {7, 0b0010011}, {4, 0b1010}},
      {zeros(5), slot, no, kVec, {2, 0b01}, {4, 0b1010}},
      {kLda, kLdb, zeros(5), slot, no, {7, 0b0001011}, {4, 0b0110}},
      {kLda, no, kSt, no, slot, no, {7, 0b0000111}, {4, 0b0110}},
      {kLda, no, slot, no, kVec, {2, 0b00}, {4, 0b0110}},
      {kSt, kLdb, zeros(5), slot, no, {7, 0b0000011}, {4, 0b0110}},
      {kLdb, slot, no, {4, 0b1010}, kVec, {2, 0b10}, {4, 0b0110}},
      {kSt, no, slot, no, kVec, {2, 0b01}, {4, 0b0110}},
      {kLda, kLdb, slot, no, kSt, {8, 0b00000111}, {4, 0b1110}},
      {kSt, kLdb, slot, no, kVec, {2, 0b01}, {4, 0b1110}},
      {kLda, kLdb, slot, no, kVec, {2, 0b00}, {4, 0b1110}},
      {kLda, kLdb, kSt, no, slot, no, kVec, {1, 1}},
  };
}

std::string jump_of(const std::vector<uint8_t>& b) {
  EXPECT_EQ(bundle_bytes(b[0]), b.size());
  const auto j = direct_jump(b);
  return j ? fmt::format("{} {:#x}", j->name, j->target) : "";
}

TEST(Bundle, AJumpIsFoundInEveryFormatThatCanHoldIt) {
  for (const auto& f : formats(jump_slot(0x12345, kJ))) EXPECT_EQ(jump_of(bundle(f)), "j 0x12345") << f.size();
  for (const auto& f : formats(jump_slot(0x00340, kJl))) EXPECT_EQ(jump_of(bundle(f)), "jl 0x340");
  for (const auto& f : formats(jump_slot(0x00010, kBranch))) EXPECT_EQ(jump_of(bundle(f)), "jnz 0x10");
  for (const auto& f : formats(jump_slot(0xFFFF0, kBranch, 0))) EXPECT_EQ(jump_of(bundle(f)), "jz 0xffff0");
}

TEST(Bundle, AluAndMvInTheSamePlaceAreNoJump) {
  for (auto f : formats(jump_slot(0x40, kJ))) {
    for (size_t i = 0; i + 1 < f.size(); ++i)
      if (f[i].width == 42) f[i + 1].value = 1;  // the bit that tells them apart
    EXPECT_EQ(jump_of(bundle(f)), "");
  }
}

TEST(Bundle, OtherFormatsAndOperationsAreNoJump) {
  EXPECT_EQ(jump_of({0, 0}), "");                                                        // a nop of two bytes
  EXPECT_EQ(jump_of(bundle({{5, 2}, {20}, {3, 1}, {4, 0b1000}})), "");                    // alu alone
  EXPECT_EQ(jump_of(bundle({kLda, kLdb, kSt, {3, 0b011}, {4, 0b0010}})), "");             // 8 bytes: no lng there
  EXPECT_EQ(jump_of(bundle({kLda, {22}, {3, 0b010}, {3, 0b100}})), "");                   // lda and mv
  EXPECT_EQ(jump_of(bundle({kLda, kLdb, {20}, {2, 0b11}, {5, 0}, kVec, {2, 0b10}, {4, 0b0110}})), "");
  for (const unsigned op : {0u, 1u, 3u, 5u, 7u})
    for (const auto& f : formats(jump_slot(0x40, op))) EXPECT_EQ(jump_of(bundle(f)), "");
}

// The example with `code` at the start of its core's program memory.
std::string findings_with(std::vector<uint8_t> code) {
  code.resize((code.size() + 3) / 4 * 4);
  CdoDmaWrite write{address_of(kCore, xdna2().tile(TileKind::core).program_base), {}};
  for (size_t i = 0; i < code.size(); i += 4) write.data.push_back(load_u32(&code[i]));
  Cdo cdo = testing::example_cdo();
  cdo.commands.push_back({std::move(write)});
  const std::vector<NpuFile> files{cdo};
  std::string all;
  for (const Finding& f : lint(files, xdna2())) all += fmt::format("{}: {} [{}]\n", f.where, f.message, f.rule);
  return all;
}
std::vector<uint8_t> operator+(std::vector<uint8_t> a, const std::vector<uint8_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(LintCode, JumpsGoToBoundariesOfSixteenBytes) {
  const auto to = [](uint32_t target) { return bundle(formats(jump_slot(target, kJ))[0]); };
  const std::vector<uint8_t> nop(2), vector_bundle = bundle({kLda, kLdb, kSt, {1, 0}, {20}, {22}, {1, 1}, kVec, {1, 1}});
  EXPECT_EQ(findings_with(to(0x20)), "");
  EXPECT_EQ(findings_with(to(0x24)), "(0,2) program 0x0: j goes to 0x24, expected a multiple of 16 [jump-target]\n");
  EXPECT_EQ(findings_with(nop + vector_bundle + to(0x18)), "(0,2) program 0x12: j goes to 0x18, expected a multiple of 16 [jump-target]\n");
  EXPECT_EQ(findings_with(nop + to(0x4000)), "(0,2) program 0x2: j goes to 0x4000, expected below 0x4000 [jump-target]\n");
}

TEST(ProgramMemory, KeepsWhatWasWrittenInPieces) {
  ProgramMemory m{.bytes = std::vector<uint8_t>(64), .written = {}};
  const auto ranges = [&] {
    std::string text;
    for (const ProgramMemory::Range& r : m.written) text += fmt::format("{}-{} ", r.first, r.end);
    return text;
  };
  m.write(16, 1), m.write(0, 2), m.write(40, 3);
  EXPECT_EQ(ranges(), "0-4 16-20 40-44 ");
  m.write(20, 4), m.write(12, 5), m.write(16, 6);
  EXPECT_EQ(ranges(), "0-4 12-24 40-44 ");
  m.write(4, 0), m.write(8, 0);
  EXPECT_EQ(ranges(), "0-24 40-44 ");
  EXPECT_EQ(m.bytes[16], 6);
}

// Compiled by others for hardware: jumps there are many, all to boundaries, and all to the starts of bundles.
TEST(LintCode, CoresThatRanOnHardwareKeepTheRule) {
  const std::filesystem::path file = std::filesystem::path(ONEBIT_SOURCE_DIR) / "../shared/npu-samples/bf16_8col_D_qwen3_0_6b.xclbin";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "the program of others is not here";
  std::ifstream in(file, std::ios::binary);
  const std::vector<char> chars{std::istreambuf_iterator<char>(in), {}};
  const NpuFile image = read_npu_file({reinterpret_cast<const uint8_t*>(chars.data()), chars.size()}).value();
  const auto* xclbin = std::get_if<Xclbin>(&image);
  ASSERT_NE(xclbin, nullptr);
  const Pdi pdi = read_pdi(xclbin->partition()->pdis.at(0).image).value();
  size_t jumps = 0;
  for (const auto& [tile, memory] : program_memories(pdi.cdo, xdna2())) {
    const MachineCode code = decode(memory.bytes, memory.written);
    for (const auto& [at, jump] : code.jumps)
      EXPECT_TRUE(jump.target % 16 == 0 && std::binary_search(code.starts.begin(), code.starts.end(), jump.target)) << name(tile) << fmt::format(" {:#x} to {:#x}", at, jump.target);
    jumps += code.jumps.size();
  }
  EXPECT_GT(jumps, 50u);
}

// After the end of a function two bytes of fill, which look like the start of a longer bundle, and the next function.
TEST(Bundle, DecodingTakesUpAgainWhereAJumpGoes) {
  const auto jl = bundle(formats(jump_slot(0x20, kJl))[0]), j = bundle(formats(jump_slot(0x10, kJ))[0]);
  std::vector<uint8_t> memory = jl;          // 0 to 6
  memory.resize(0x1e);                       // nops
  memory.push_back(0xC4), memory.push_back(0x01);
  memory.insert(memory.end(), j.begin(), j.end());
  const ProgramMemory::Range all{0, static_cast<uint32_t>(memory.size())};
  const MachineCode code = decode(memory, {&all, 1});
  ASSERT_EQ(code.jumps.size(), 2u);
  EXPECT_EQ(code.jumps[1].at, 0x20u);
  EXPECT_EQ(code.jumps[1].jump.target, 0x10u);
}

}  // namespace
}  // namespace onebit::npu
