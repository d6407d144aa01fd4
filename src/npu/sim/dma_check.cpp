// What a buffer descriptor must hold before a channel runs it: values that the simulator models, and memory that the
// channel reaches.
#include <algorithm>

#include "npu/sim/array.h"

namespace onebit::npu {
namespace {

constexpr uint32_t kMemWindowWords = kMemWindowBytes / 4;

// Highest word reached, counted from the start: padding moves no address.
uint64_t reach_of(TileKind kind, const BufferDescriptor& bd) {
  uint64_t left = bd.length, reach = 0;
  const unsigned count = kind == TileKind::mem ? 4 : 3;
  for (unsigned d = 0; d < count; ++d) {
    const uint64_t wrap = d + 1 < count ? bd.dims[d].wrap : 0;
    const uint64_t padding = d < 3 ? uint64_t{bd.pad_before[d]} + bd.pad_after[d] : 0;
    const uint64_t span = wrap ? std::min<uint64_t>(wrap + padding, left) : left;
    reach += (std::min(span, wrap ? wrap : span) - 1) * bd.dims[d].step;
    left = (left + span - 1) / span;
  }
  return reach;
}

}  // namespace

Status DmaChannel::check(const BufferDescriptor& bd) const {
  const auto refuse = [](const char* field, uint32_t value, const char* expected) {
    return fail(Errc::unsupported, "{} is {}, expected {}", field, value, expected);
  };
  const bool padding = bd.pad_before != std::array<uint32_t, 3>{} || bd.pad_after != std::array<uint32_t, 3>{};
  if (!bd.valid) return refuse("valid_bd", 0, "1");
  if (bd.length == 0) return refuse("buffer_length", 0, "1 or more");
  if (bd.compression) return refuse("enable_compression", 1, "0 (compression is not modelled)");
  if (padding && direction_ == Direction::s2mm) return refuse("padding of an S2MM channel", 1, "0");
  if (bd.qos != kAxiQos) return refuse("axqos", bd.qos, "0 (others have wedged the fabric)");
  if (bd.iteration_current >= bd.iteration_wrap)
    return fail(Errc::unsupported, "iteration_current is {}, expected below the iteration wrap {}", bd.iteration_current, bd.iteration_wrap);
  return {};
}

// Values that change nothing because what would use them is off: in our own images a sign of a wrong word.
Status DmaChannel::check_unused(const BufferDescriptor& bd) const {
  const auto unused = [](const char* field, int64_t value, const char* why) {
    return fail(Errc::unsupported, "{} is {}{}", field, value, why);
  };
  if (!bd.acquire && bd.acquire_lock) return unused("lock_acq_id", bd.acquire_lock, " without lock_acq_enable");
  if (!bd.acquire && bd.acquire_value) return unused("lock_acq_value", bd.acquire_value, " without lock_acq_enable");
  if (!bd.release_value && bd.release_lock) return unused("lock_rel_id", bd.release_lock, " with lock_rel_value 0");
  if (!bd.use_next && bd.next) return unused("next_bd", bd.next, " without use_next_bd");
  if (bd.iteration_wrap == 1 && bd.iteration_step != 1) return unused("iteration_stepsize", bd.iteration_step, " with iteration_wrap 1");
  if (!bd.packet && bd.packet_id) return unused("packet_id", bd.packet_id, " without enable_packet");
  if (!bd.packet && bd.packet_type) return unused("packet_type", bd.packet_type, " without enable_packet");
  if (bd.packet && direction_ == Direction::s2mm) return unused("enable_packet", 1, " on an S2MM channel");
  if (bd.out_of_order_id) return unused("out_of_order_bd_id", bd.out_of_order_id, " without enable_out_of_order");
  if (bd.smid) return unused("smid", bd.smid, ", expected 0");
  if (bd.secure) return unused("secure_access", 1, ", expected 0");
  const size_t dims = tile_.model->kind == TileKind::mem ? 4 : 3;
  for (size_t d = 1; d < dims; ++d)
    if (!bd.dims[d - 1].wrap && (bd.dims[d].step != 1 || bd.dims[d].wrap))
      return unused("the step or wrap of a dimension", bd.dims[d].step, " behind one without a wrap");
  return {};
}

Status DmaChannel::check_memory(const BufferDescriptor& bd) {
  const TileKind kind = tile_.model->kind;
  const uint64_t first = (kind == TileKind::shim ? bd.base / 4 : bd.base) + uint64_t{bd.iteration_current} * bd.iteration_step;
  const uint64_t last = first + reach_of(kind, bd);
  if (kind == TileKind::shim) {
    ONEBIT_ASSIGN(const Array::Memory memory, array_.host_memory(first * 4, last - first + 1));
    host_ = memory.data;
    host_first_ = first;
    return {};
  }
  if (kind == TileKind::core) {
    if (last >= tile_.model->data_bytes / 4)
      return fail(Errc::out_of_range, "reaches byte {:#x}, expected below {:#x}", last * 4, tile_.model->data_bytes);
    return {};
  }
  if (last >= 3 * kMemWindowWords) return fail(Errc::out_of_range, "reaches byte {:#x}, expected below {:#x}", last * 4, 3 * kMemWindowBytes);
  for (uint64_t window = first / kMemWindowWords; window <= last / kMemWindowWords; ++window) {
    if (window != 1 && channel_ >= kMemNeighbourChannels)
      return fail(Errc::out_of_range, "reaches a neighbour's memory, expected the own tile's on channels 4 and 5");
    if (!array_.find(tile_.id.column + static_cast<int>(window) - 1, tile_.id.row))
      return fail(Errc::out_of_range, "reaches the memory of its {} neighbour, which does not exist", window == 0 ? "west" : "east");
  }
  return {};
}

}  // namespace onebit::npu
