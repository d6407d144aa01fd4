#include "npu/image/bundle.h"

#include <algorithm>
#include <array>
#include <set>

namespace onebit::npu {
namespace {

constexpr uint32_t kFetchBytes = 16;  // what targets of jumps are multiples of

// A format with a lng slot: bits [from, from + width) hold `fixed`, then a 0 at `zero` (a 1 means alu and mv slots in the
// same place), and the slot starts at `lng`.
struct Format {
  uint32_t bytes;
  unsigned from, width, fixed;
  unsigned zero, lng;
};
constexpr Format kFormats[] = {
    {6, 3, 2, 0b00, 5, 6},                                                                                    // lng
    {10, 4, 7, 0b0001011, 11, 12}, {10, 4, 7, 0b0000011, 11, 12}, {10, 4, 7, 0b0010011, 11, 12},              // lda, ldb, st and lng
    {10, 4, 2, 0b01, 32, 33},                                                                                 // lng, vec
    {12, 4, 7, 0b0001011, 11, 12}, {12, 4, 7, 0b0000111, 11, 12}, {12, 4, 7, 0b0000011, 11, 12},              // lda ldb, lda st, st ldb and lng
    {12, 4, 2, 0b00, 32, 33},      {12, 4, 2, 0b01, 32, 33},                                                  // lda lng vec, st lng vec
    {14, 4, 8, 0b00000111, 32, 33}, {14, 4, 2, 0b01, 32, 33},     {14, 4, 2, 0b00, 32, 33},                   // lda ldb lng st, st ldb lng vec, lda ldb lng vec
    {16, 0, 1, 1, 27, 28},                                                                                    // lda ldb st lng vec
};
// ldb lng vec has its fixed bits in two places.
constexpr Format kLdbLngVec{12, 32, 4, 0b1010, 36, 37};

uint64_t bits(Bytes b, unsigned from, unsigned width) {
  uint64_t v = 0;
  for (unsigned i = 0; i < width; ++i) v |= uint64_t{b[(from + i) / 8] >> (from + i) % 8 & 1u} << i;
  return v;
}
bool matches(const Format& f, Bytes b) { return f.bytes == b.size() && bits(b, f.from, f.width) == f.fixed && bits(b, f.zero, 1) == 0; }

std::optional<uint64_t> lng_slot(Bytes b) {
  constexpr unsigned kLngBits = 42;
  if (matches(kLdbLngVec, b) && bits(b, 4, 2) == 0b10) return bits(b, kLdbLngVec.lng, kLngBits);
  const auto* f = std::find_if(std::begin(kFormats), std::end(kFormats), [&](const Format& format) { return matches(format, b); });
  if (f == std::end(kFormats)) return std::nullopt;
  return bits(b, f->lng, kLngBits);
}

}  // namespace

uint32_t bundle_bytes(uint8_t first) {
  constexpr std::array<uint8_t, 16> kBytes{2, 16, 8, 16, 6, 16, 12, 16, 4, 16, 10, 16, 6, 16, 14, 16};
  return kBytes[first & 15];
}

std::optional<DirectJump> direct_jump(Bytes bundle) {
  const auto lng = lng_slot(bundle);
  if (!lng) return std::nullopt;
  const auto target = static_cast<uint32_t>(*lng >> 17 & 0xFFFFF);
  switch (*lng & 7) {
    case 0b010: return DirectJump{"j", target};
    case 0b100: return DirectJump{"jl", target};
    case 0b110: return DirectJump{*lng >> 16 & 1 ? "jnz" : "jz", target};
    default: return std::nullopt;
  }
}

namespace {

// One pass with the targets known so far; whether it found more of them.
bool decode_with(Bytes memory, std::span<const ProgramMemory::Range> pieces, std::set<uint32_t>& targets, MachineCode& code) {
  code = {};
  bool more = false;
  for (const ProgramMemory::Range& piece : pieces)
    for (uint32_t at = piece.first; at < piece.end;) {
      const uint32_t bytes = bundle_bytes(memory[at]);
      const auto next = targets.upper_bound(at);
      if (next != targets.end() && *next < at + bytes) {
        at = *next;
        continue;
      }
      if (bytes > piece.end - at) break;
      code.starts.push_back(at);
      if (const auto jump = direct_jump(memory.subspan(at, bytes))) {
        code.jumps.push_back({at, *jump});
        if (jump->target % kFetchBytes == 0) more |= targets.insert(jump->target).second;
      }
      at += bytes;
    }
  return more;
}

}  // namespace

MachineCode decode(Bytes memory, std::span<const ProgramMemory::Range> pieces) {
  constexpr int kMostPasses = 16;  // code needs two or three
  MachineCode code;
  std::set<uint32_t> targets;
  for (int pass = 0; pass < kMostPasses && decode_with(memory, pieces, targets, code); ++pass) {
  }
  return code;
}

}  // namespace onebit::npu
