// Breaks every word that the image of an example program writes, one at a time, and asks whether anyone notices:
// the linter, the simulator when it opens the image or runs it, or the comparison with the reference.
//
// Three ways to break a word: one bit of a field flipped, several bits changed, the write left out. Not counted,
// because the array is the same afterwards or never differs from what hardware would do:
//   * a mutant whose final registers, memory and task-queue entries equal the original's: a write of the value that
//     is there already (locks set to 0 after a reset, resets taken back before anything ran);
//   * parameters that the instruction stream sets before a core reads them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "npu/device/registers.h"
#include "npu/device/stream_switch.h"
#include "npu/image/lint.h"
#include "npu/image/pdi.h"
#include "npu/image/register_file.h"
#include "npu/programs/run_example.h"

namespace onebit::npu {
namespace {

enum class Break : uint8_t { one_bit, many_bits, left_out };
constexpr const char* kBreakNames[] = {"one bit", "many bits", "left out"};

// A written word: a command, and for DMA_WRITE the word in it.
struct Word {
  size_t command;
  size_t index;
  uint64_t address;
};

uint32_t* value_of(CdoCommand& c, size_t index) {
  if (auto* w = std::get_if<CdoWrite>(&c.body)) return &w->value;
  if (auto* m = std::get_if<CdoMaskWrite>(&c.body)) return &m->value;
  if (auto* d = std::get_if<CdoDmaWrite>(&c.body)) return &d->data[index];
  return nullptr;
}

std::vector<Word> words_of(const Cdo& cdo) {
  std::vector<Word> list;
  for (size_t i = 0; i < cdo.commands.size(); ++i) {
    if (const auto* w = std::get_if<CdoWrite>(&cdo.commands[i].body)) list.push_back({i, 0, w->address});
    if (const auto* m = std::get_if<CdoMaskWrite>(&cdo.commands[i].body)) list.push_back({i, 0, m->address});
    if (const auto* d = std::get_if<CdoDmaWrite>(&cdo.commands[i].body))
      for (size_t k = 0; k < d->data.size(); ++k) list.push_back({i, k, d->address + 4 * k});
  }
  return list;
}

// "core BD word 5", "memory lock", "program memory".
std::string class_of(const Device& device, uint64_t address) {
  const auto at = device.locate(address);
  if (!at) return "outside";
  const TileModel& tile = device.tile(at->tile);
  const std::string kind = tile.kind == TileKind::mem ? "memory tile" : name(tile.kind);
  if (region_of(tile, at->offset) == Region::program_memory) return "core program memory (record)";
  if (region_of(tile, at->offset) == Region::data_memory) return kind + " data memory";
  if (find_bd_register(tile, at->offset)) return kind + " descriptor";
  if (const auto c = find_channel_register(tile, at->offset)) return kind + (c->queue ? " task queue" : " channel control");
  if (find_lock_register(tile, at->offset)) return kind + " lock";
  if (find_switch_register(tile, at->offset)) return kind + " switch";
  if (tile.kind == TileKind::core && at->offset == kCoreControl) return "core control";
  return kind + " other";
}

// The bits of the word that some field owns and the command writes.
uint32_t owned_bits(const Device& device, const Cdo& cdo, const Word& w) {
  uint32_t mask = ~0u;
  if (const auto* m = std::get_if<CdoMaskWrite>(&cdo.commands[w.command].body)) mask = m->mask;
  const auto at = device.locate(w.address);
  const TileKind kind = device.kind(at->tile.row);
  if (region_of(device.tile(kind), at->offset) != Region::registers) return mask;
  const auto reg = find_register(device, kind, at->offset);
  return reg ? mask & reg->mask() : mask;
}

uint32_t mix(uint64_t n) {
  n = (n + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9;
  n = (n ^ n >> 29) * 0x94D049BB133111EB;
  return static_cast<uint32_t>(n >> 32);
}

// Nothing where the word cannot be broken that way.
std::optional<Cdo> broken(const Device& device, const Cdo& original, const Word& w, Break how, uint64_t seed) {
  Cdo cdo = original;
  CdoCommand& command = cdo.commands[w.command];
  uint32_t& value = *value_of(command, w.index);
  const uint32_t bits = owned_bits(device, original, w);
  if (how == Break::left_out) {
    if (auto* d = std::get_if<CdoDmaWrite>(&command.body)) {
      // As if the word had kept what is there after a reset.
      d->data[w.index] = 0;
    } else {
      command.body = CdoNop{};
    }
    return cdo;
  }
  if (bits == 0) return std::nullopt;
  if (how == Break::one_bit) {
    unsigned n = mix(seed) % static_cast<unsigned>(std::popcount(bits));
    uint32_t rest = bits;
    while (n-- > 0) rest &= rest - 1;
    value ^= rest & -rest;
  } else {
    uint32_t change = mix(seed ^ 0x5555) & bits;
    if (change == 0) change = bits;
    value ^= change;
  }
  return cdo;
}

// The array that a list of commands leaves behind.
struct Effect {
  std::map<uint64_t, uint32_t> registers;
  std::vector<QueuePush> pushes;
  bool operator==(const Effect&) const = default;
};
Effect effect_of(const Device& device, const Cdo& cdo) {
  Effect e;
  RegisterFile file(device);
  file.apply(cdo);
  e.pushes = file.pushes();
  const auto set = [&e](uint64_t address, uint32_t mask, uint32_t value) {
    uint32_t& r = e.registers[address];
    r = (r & ~mask) | (value & mask);
  };
  for (const CdoCommand& c : cdo.commands) {
    if (const auto* w = std::get_if<CdoWrite>(&c.body)) set(w->address, ~0u, w->value);
    if (const auto* m = std::get_if<CdoMaskWrite>(&c.body)) set(m->address, m->mask, m->value);
    if (const auto* d = std::get_if<CdoDmaWrite>(&c.body))
      for (size_t k = 0; k < d->data.size(); ++k) set(d->address + 4 * k, ~0u, d->data[k]);
  }
  std::erase_if(e.registers, [](const auto& r) { return r.second == 0; });
  return e;
}

// The same work in two streams: what goes in before the first wait, then the rest. Between them the array comes to
// rest with all it can hold, so that a ring which takes more than it has room for shows.
std::array<std::vector<uint8_t>, 2> inputs_first(const Device& device, const Transaction& t) {
  std::array<Transaction, 2> halves{make_transaction(device), make_transaction(device)};
  std::vector<TxnOp> group;  // descriptor, patch, control: they belong to the queue entry that follows
  bool waited = false;
  for (const TxnOp& op : t.ops) {
    if (std::holds_alternative<TxnSync>(op.body)) {
      waited = true;
      halves[1].ops.push_back(op);
      continue;
    }
    if (waited) {  // what follows depends on the wait
      halves[1].ops.push_back(op);
      continue;
    }
    group.push_back(op);
    const auto* w = std::get_if<TxnWrite>(&op.body);
    const auto at = w ? device.locate(w->address) : std::nullopt;
    if (!at) continue;
    const auto channel = find_channel_register(device.tile(at->tile), at->offset);
    auto& half = halves[channel && channel->direction == Direction::s2mm ? 1 : 0].ops;
    half.insert(half.end(), group.begin(), group.end());
    group.clear();
  }
  return {write_transaction(halves[0]).value(), write_transaction(halves[1]).value()};
}

Status run_inputs_first(const Device& device, const std::vector<uint8_t>& image, const std::array<std::vector<uint8_t>, 2>& halves,
                        const std::vector<ExampleBuffer>& data) {
  ONEBIT_ASSIGN(Simulator context, open_example(device, image));
  std::vector<std::vector<uint8_t>> inputs;
  for (const ExampleBuffer& b : data) inputs.push_back(b.output ? std::vector<uint8_t>(b.bytes.size()) : b.bytes);
  const std::vector<std::span<uint8_t>> buffers(inputs.begin(), inputs.end());
  ONEBIT_TRY(context.run(halves[0], buffers));
  ONEBIT_TRY(run_example(context, halves[1], data));
  return {};
}

// Long enough for rings to turn many times and for wrong lock values to add up; small enough to run often.
ExampleShape long_shape(const ExampleProgram& p) {
  // Three waves of all cores without padding: every core's result counts.
  if (p.name == "gemm_8x4" || p.name == "gemm_bf16_8x4") return {{256, 1536, 192}};
  constexpr size_t kMostBytes = 1200 * 1024;
  const ExampleShape* best = &p.shapes.front();
  size_t best_bytes = 0;
  for (const ExampleShape& s : p.shapes) {
    size_t bytes = 0;
    for (const ExampleBuffer& b : p.data(s, 0)) bytes += b.bytes.size();
    if (bytes <= best_bytes || bytes > kMostBytes) continue;
    best = &s;
    best_bytes = bytes;
  }
  return *best;
}

// A program with everything that can judge a broken copy of it.
struct Bench {
  const ExampleProgram& example;
  design::Lowered lowered;
  const Device& device;
  ExampleShape shape;
  Transaction transaction;
  std::vector<uint8_t> stream;
  std::array<std::vector<uint8_t>, 2> halves;

  explicit Bench(const std::string& name)
      : example(*find_example_program(name)),
        lowered(design::lower(example.build().value()).value()),
        device(lowered.program.device()),
        shape(long_shape(example)),
        transaction(example.sequence(lowered, shape).value()),
        stream(write_transaction(transaction).value()),
        halves(inputs_first(device, transaction)) {}

  // Whether the linter, the simulator or the comparison complains about the image or the stream.
  bool noticed(const Cdo& cdo, const std::vector<uint8_t>& insts) const {
    const Pdi pdi = make_pdi(cdo);
    const auto operations = read_transaction(insts);
    if (!operations || !lint(std::vector<NpuFile>{pdi, *operations}, device).empty()) return true;
    auto context = open_example(device, write_pdi(pdi));
    if (!context) return true;
    for (uint64_t run = 0; run < 3; ++run)
      if (!run_example(*context, insts, example.data(shape, run))) return true;
    return !run_inputs_first(device, write_pdi(pdi), halves, example.data(shape, 3)).has_value();
  }
};

struct Tally {
  unsigned tried = 0, noticed = 0, same = 0;

  void add(bool seen) {
    ++tried;
    noticed += seen;
  }
};

void expect_noticed(const std::string& program, const char* what, const Tally& all) {
  fmt::print("{:<18} {}: noticed {} of {}, {:.1f} %\n", program, what, all.noticed, all.tried, 100.0 * all.noticed / all.tried);
  EXPECT_GE(all.noticed * 100, all.tried * 95);
}

class Mutation : public testing::TestWithParam<std::string> {};

TEST_P(Mutation, EveryWordOfTheImage) {
  const Bench bench(GetParam());
  const Cdo& original = bench.lowered.cdo;
  ASSERT_FALSE(bench.noticed(original, bench.stream));
  const Effect effect = effect_of(bench.device, original);
  std::set<uint64_t> set_by_stream;
  for (const TxnOp& op : bench.transaction.ops)
    if (const auto* w = std::get_if<TxnWrite>(&op.body)) set_by_stream.insert(w->address);

  constexpr size_t kMost = 500;  // words of one program; every n-th where there are more
  const std::vector<Word> words = words_of(original);
  const size_t stride = (words.size() + kMost - 1) / kMost;
  std::map<std::string, std::array<Tally, 3>> table;
  Tally all;
  for (size_t i = 0; i < words.size(); i += stride)
    for (const Break how : {Break::one_bit, Break::many_bits, Break::left_out}) {
      const Word& word = words[i];
      const auto cdo = set_by_stream.contains(word.address) ? std::nullopt : broken(bench.device, original, word, how, i);
      if (!cdo) continue;
      const std::string kind = class_of(bench.device, word.address);
      Tally& tally = table[kind][static_cast<size_t>(how)];
      if (effect_of(bench.device, *cdo) == effect) {
        ++tally.same;
        continue;
      }
      const bool seen = bench.noticed(*cdo, bench.stream);
      tally.add(seen);
      all.add(seen);
      if (!seen) fmt::print("missed: {} at {:#x}, {}\n", kind, word.address, kBreakNames[static_cast<size_t>(how)]);
    }
  for (const auto& [kind, tallies] : table)
    for (size_t how = 0; how < tallies.size(); ++how)
      fmt::print("{:<18} {:<30} {:<10} noticed {:>4} of {:>4}{}\n", GetParam(), kind, kBreakNames[how], tallies[how].noticed, tallies[how].tried,
                 tallies[how].same ? fmt::format(", {} without effect", tallies[how].same) : "");
  expect_noticed(GetParam(), "image", all);
}

// Whether the operations leave the same registers behind: bits that no field owns, zeros under a wider mask, and the
// base address of a shim descriptor, which a DDR_PATCH replaces, make no difference.
bool same_effect(const TxnOp& a, const TxnOp& b) {
  if (a.body == b.body) return true;
  const auto *m = std::get_if<TxnMaskWrite>(&a.body), *n = std::get_if<TxnMaskWrite>(&b.body);
  if (m && n) return m->address == n->address && (m->value & m->mask) == (n->value & n->mask) && (m->mask & n->mask) == m->mask;
  const auto *x = std::get_if<TxnBlockWrite>(&a.body), *y = std::get_if<TxnBlockWrite>(&b.body);
  if (!x || !y || x->address != y->address || x->data.size() != 8 || y->data.size() != 8) return false;
  std::vector<uint32_t> p = x->data, q = y->data;
  p[1] = q[1] = 0;
  p[2] &= 0xFFFF0000;
  q[2] &= 0xFFFF0000;
  return p == q;
}
bool same_effect(const Transaction& a, const Transaction& b) {
  return a.generation == b.generation && a.rows == b.rows && a.columns == b.columns && a.mem_rows == b.mem_rows &&
         std::equal(a.ops.begin(), a.ops.end(), b.ops.begin(), b.ops.end(), [](const TxnOp& p, const TxnOp& q) { return same_effect(p, q); });
}

// One bit of each word of the instruction stream, where that makes a difference.
TEST_P(Mutation, EveryWordOfTheStream) {
  const Bench bench(GetParam());
  constexpr size_t kMost = 300;
  const size_t words = bench.stream.size() / 4, stride = (words + kMost - 1) / kMost;
  Tally all;
  for (size_t i = 0; i < words; i += stride) {
    std::vector<uint8_t> stream = bench.stream;
    const uint32_t bit = mix(i) % 32;
    stream[4 * i + bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    const auto broken_stream = read_transaction(stream);
    if (broken_stream && same_effect(bench.transaction, *broken_stream)) continue;
    const bool seen = bench.noticed(bench.lowered.cdo, stream);
    all.add(seen);
    if (!seen) fmt::print("missed: stream byte {:#x}, bit {} of the word\n", 4 * i, bit);
  }
  expect_noticed(GetParam(), "stream", all);
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const ExampleProgram& p : example_programs()) list.push_back(p.name);
  return list;
}
INSTANTIATE_TEST_SUITE_P(All, Mutation, testing::ValuesIn(names()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace onebit::npu
