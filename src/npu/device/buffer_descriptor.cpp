#include "npu/device/buffer_descriptor.h"

#include <algorithm>
#include <type_traits>

namespace onebit::npu {
namespace {

using Bd = BufferDescriptor;

enum class Coding : uint8_t { plain, minus_one, twos_complement };

struct BdField {
  const char* name;
  uint8_t word, high, low;
  Coding coding;
  int64_t (*get)(const Bd&);
  void (*set)(Bd&, int64_t);
};

// One row: the member, its word and bits. The member's spelling is the name in error messages.
#define BD_FIELD(member, word, high, low, coding)                                            \
  {#member, word, high, low, Coding::coding,                                                 \
   [](const Bd& bd) -> int64_t { return static_cast<int64_t>(bd.member); },                  \
   [](Bd& bd, int64_t value) { bd.member = static_cast<std::remove_cvref_t<decltype(bd.member)>>(value); }}

constexpr BdField kCoreFields[] = {
    BD_FIELD(base, 0, 27, 14, plain),
    BD_FIELD(length, 0, 13, 0, plain),
    BD_FIELD(compression, 1, 31, 31, plain),
    BD_FIELD(packet, 1, 30, 30, plain),
    BD_FIELD(out_of_order_id, 1, 29, 24, plain),
    BD_FIELD(packet_id, 1, 23, 19, plain),
    BD_FIELD(packet_type, 1, 18, 16, plain),
    BD_FIELD(dims[1].step, 2, 25, 13, minus_one),
    BD_FIELD(dims[0].step, 2, 12, 0, minus_one),
    BD_FIELD(dims[1].wrap, 3, 28, 21, plain),
    BD_FIELD(dims[0].wrap, 3, 20, 13, plain),
    BD_FIELD(dims[2].step, 3, 12, 0, minus_one),
    BD_FIELD(iteration_current, 4, 24, 19, plain),
    BD_FIELD(iteration_wrap, 4, 18, 13, minus_one),
    BD_FIELD(iteration_step, 4, 12, 0, minus_one),
    BD_FIELD(tlast_suppress, 5, 31, 31, plain),
    BD_FIELD(next, 5, 30, 27, plain),
    BD_FIELD(use_next, 5, 26, 26, plain),
    BD_FIELD(valid, 5, 25, 25, plain),
    BD_FIELD(release_value, 5, 24, 18, twos_complement),
    BD_FIELD(release_lock, 5, 16, 13, plain),
    BD_FIELD(acquire, 5, 12, 12, plain),
    BD_FIELD(acquire_value, 5, 11, 5, twos_complement),
    BD_FIELD(acquire_lock, 5, 3, 0, plain),
};

constexpr BdField kMemFields[] = {
    BD_FIELD(packet, 0, 31, 31, plain),
    BD_FIELD(packet_type, 0, 30, 28, plain),
    BD_FIELD(packet_id, 0, 27, 23, plain),
    BD_FIELD(out_of_order_id, 0, 22, 17, plain),
    BD_FIELD(length, 0, 16, 0, plain),
    BD_FIELD(pad_before[0], 1, 31, 26, plain),
    BD_FIELD(next, 1, 25, 20, plain),
    BD_FIELD(use_next, 1, 19, 19, plain),
    BD_FIELD(base, 1, 18, 0, plain),
    BD_FIELD(tlast_suppress, 2, 31, 31, plain),
    BD_FIELD(dims[0].wrap, 2, 26, 17, plain),
    BD_FIELD(dims[0].step, 2, 16, 0, minus_one),
    BD_FIELD(pad_before[1], 3, 31, 27, plain),
    BD_FIELD(dims[1].wrap, 3, 26, 17, plain),
    BD_FIELD(dims[1].step, 3, 16, 0, minus_one),
    BD_FIELD(compression, 4, 31, 31, plain),
    BD_FIELD(pad_before[2], 4, 30, 27, plain),
    BD_FIELD(dims[2].wrap, 4, 26, 17, plain),
    BD_FIELD(dims[2].step, 4, 16, 0, minus_one),
    BD_FIELD(pad_after[2], 5, 31, 28, plain),
    BD_FIELD(pad_after[1], 5, 27, 23, plain),
    BD_FIELD(pad_after[0], 5, 22, 17, plain),
    BD_FIELD(dims[3].step, 5, 16, 0, minus_one),
    BD_FIELD(iteration_current, 6, 28, 23, plain),
    BD_FIELD(iteration_wrap, 6, 22, 17, minus_one),
    BD_FIELD(iteration_step, 6, 16, 0, minus_one),
    BD_FIELD(valid, 7, 31, 31, plain),
    BD_FIELD(release_value, 7, 30, 24, twos_complement),
    BD_FIELD(release_lock, 7, 23, 16, plain),
    BD_FIELD(acquire, 7, 15, 15, plain),
    BD_FIELD(acquire_value, 7, 14, 8, twos_complement),
    BD_FIELD(acquire_lock, 7, 7, 0, plain),
};

// The base address spans words 1 and 2 and is handled beside this table.
constexpr BdField kShimFields[] = {
    BD_FIELD(length, 0, 31, 0, plain),
    BD_FIELD(packet, 2, 30, 30, plain),
    BD_FIELD(out_of_order_id, 2, 29, 24, plain),
    BD_FIELD(packet_id, 2, 23, 19, plain),
    BD_FIELD(packet_type, 2, 18, 16, plain),
    BD_FIELD(secure, 3, 30, 30, plain),
    BD_FIELD(dims[0].wrap, 3, 29, 20, plain),
    BD_FIELD(dims[0].step, 3, 19, 0, minus_one),
    BD_FIELD(burst, 4, 31, 30, plain),
    BD_FIELD(dims[1].wrap, 4, 29, 20, plain),
    BD_FIELD(dims[1].step, 4, 19, 0, minus_one),
    BD_FIELD(smid, 5, 31, 28, plain),
    BD_FIELD(cache, 5, 27, 24, plain),
    BD_FIELD(qos, 5, 23, 20, plain),
    BD_FIELD(dims[2].step, 5, 19, 0, minus_one),
    BD_FIELD(iteration_current, 6, 31, 26, plain),
    BD_FIELD(iteration_wrap, 6, 25, 20, minus_one),
    BD_FIELD(iteration_step, 6, 19, 0, minus_one),
    BD_FIELD(tlast_suppress, 7, 31, 31, plain),
    BD_FIELD(next, 7, 30, 27, plain),
    BD_FIELD(use_next, 7, 26, 26, plain),
    BD_FIELD(valid, 7, 25, 25, plain),
    BD_FIELD(release_value, 7, 24, 18, twos_complement),
    BD_FIELD(release_lock, 7, 16, 13, plain),
    BD_FIELD(acquire, 7, 12, 12, plain),
    BD_FIELD(acquire_value, 7, 11, 5, twos_complement),
    BD_FIELD(acquire_lock, 7, 3, 0, plain),
};
#undef BD_FIELD

constexpr uint32_t kShimBaseLowMask = 0xFFFFFFFC;   // word 1
constexpr uint32_t kShimBaseHighMask = 0x0000FFFF;  // word 2

std::span<const BdField> fields(TileKind kind) {
  switch (kind) {
    case TileKind::shim: return kShimFields;
    case TileKind::mem: return kMemFields;
    case TileKind::core: return kCoreFields;
  }
  return {};
}

constexpr unsigned width(const BdField& f) { return f.high - f.low + 1u; }
constexpr uint32_t value_mask(const BdField& f) { return static_cast<uint32_t>((uint64_t{1} << width(f)) - 1); }

int64_t from_bits(const BdField& f, uint32_t bits) {
  if (f.coding == Coding::minus_one) return int64_t{bits} + 1;
  if (f.coding == Coding::twos_complement && bits >> (width(f) - 1)) return int64_t{bits} - (int64_t{1} << width(f));
  return bits;
}

struct Range {
  int64_t min, max;
};

Range range(const BdField& f) {
  const int64_t top = int64_t{1} << width(f);
  switch (f.coding) {
    case Coding::plain: return {0, top - 1};
    case Coding::minus_one: return {1, top};
    case Coding::twos_complement: return {-top / 2, top / 2 - 1};
  }
  return {0, 0};
}

// Members that the kind's registers cannot express must be at their default.
Status check_absent_fields(TileKind kind, const Bd& bd) {
  const Bd plain;
  const auto absent = [&](const char* field) {
    return fail(Errc::out_of_range, "{} tile buffer descriptor: {} does not exist", name(kind), field);
  };
  if (kind != TileKind::shim && (bd.burst || bd.smid || bd.cache || bd.qos || bd.secure)) return absent("an AXI attribute");
  if (kind == TileKind::shim && bd.compression) return absent("compression");
  if (kind != TileKind::mem) {
    if (bd.pad_before != plain.pad_before || bd.pad_after != plain.pad_after) return absent("padding");
    if (bd.dims[3] != plain.dims[3]) return absent("dims[3]");
    if (bd.dims[2].wrap) return absent("dims[2].wrap");
  }
  if (bd.dims[3].wrap) return absent("dims[3].wrap");
  return {};
}

}  // namespace

BufferDescriptor decode_bd(TileKind kind, std::span<const uint32_t> words) {
  Bd bd;
  for (const BdField& f : fields(kind)) f.set(bd, from_bits(f, words[f.word] >> f.low & value_mask(f)));
  if (kind == TileKind::shim)
    bd.base = (uint64_t{words[2] & kShimBaseHighMask} << 32) | (words[1] & kShimBaseLowMask);
  return bd;
}

Result<std::vector<uint32_t>> encode_bd(TileKind kind, const BufferDescriptor& bd) {
  ONEBIT_TRY(check_absent_fields(kind, bd));
  std::vector<uint32_t> words(device(Generation::aie2p).tile(kind).dma.bd_words, 0);
  for (const BdField& f : fields(kind)) {
    const int64_t value = f.get(bd);
    const Range r = range(f);
    if (value < r.min || value > r.max)
      return fail(Errc::out_of_range, "{} tile buffer descriptor: {} is {}, expected {} to {}", name(kind), f.name, value,
                  r.min, r.max);
    const int64_t stored = f.coding == Coding::minus_one ? value - 1 : value;
    words[f.word] |= (static_cast<uint32_t>(stored) & value_mask(f)) << f.low;
  }
  if (kind == TileKind::shim) {
    if (bd.base % 4 || bd.base >> 48)
      return fail(Errc::out_of_range, "shim tile buffer descriptor: base is {:#x}, expected a multiple of 4 below 2^48", bd.base);
    words[1] |= static_cast<uint32_t>(bd.base) & kShimBaseLowMask;
    words[2] |= static_cast<uint32_t>(bd.base >> 32) & kShimBaseHighMask;
  }
  return words;
}

uint32_t bd_field_mask(TileKind kind, unsigned word) {
  uint32_t mask = 0;
  for (const BdField& f : fields(kind))
    if (f.word == word) mask |= value_mask(f) << f.low;
  if (kind == TileKind::shim && word == 1) mask |= kShimBaseLowMask;
  if (kind == TileKind::shim && word == 2) mask |= kShimBaseHighMask;
  return mask;
}

BdExtent bd_extent(TileKind kind, const BufferDescriptor& bd) {
  // Each dimension runs to its wrap, or to what is left of the length; all steps are positive.
  uint64_t left = std::max<uint64_t>(bd.length, 1), reach = 0;
  for (const BdDimension& d : bd.dims) {
    const uint64_t count = d.wrap ? std::min<uint64_t>(d.wrap, left) : left;
    reach += (count - 1) * d.step;
    left = (left + count - 1) / count;
  }
  const uint64_t first = kind == TileKind::shim ? bd.base / 4 : bd.base;
  return {first, first + reach + uint64_t{bd.iteration_wrap - 1} * bd.iteration_step};
}

}  // namespace onebit::npu
