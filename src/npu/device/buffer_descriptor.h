// A DMA buffer descriptor (BD) as a typed value, and its register words for each tile kind.
//
// In the registers step sizes and the iteration wrap and step are stored minus one; here they are the
// plain numbers. Wraps are stored as they are: 0 leaves a dimension unlimited.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "npu/device/device.h"

namespace onebit::npu {

struct BdDimension {
  uint32_t step = 1;  // words
  uint32_t wrap = 0;  // elements before the next dimension steps; 0: no limit
  bool operator==(const BdDimension&) const = default;
};

struct BufferDescriptor {
  uint64_t base = 0;    // core and memory tile: words in the DMA's address space; shim: bytes
  uint32_t length = 0;  // words
  // Core and shim use dims 0-2 (the wrap of 2 does not exist), memory tiles 0-3 (nor does the wrap of 3).
  std::array<BdDimension, 4> dims{};
  uint32_t iteration_step = 1;  // words added per execution
  uint32_t iteration_wrap = 1;  // executions before the offset returns to 0
  uint32_t iteration_current = 0;
  // Words of constant padding per dimension, memory tile MM2S only.
  std::array<uint32_t, 3> pad_before{}, pad_after{};

  // A negative acquire waits for value >= -v, another one for value == v; then v is subtracted.
  bool acquire = false;
  uint32_t acquire_lock = 0;
  int32_t acquire_value = 0;
  uint32_t release_lock = 0;
  int32_t release_value = 0;  // added; 0 releases nothing

  bool valid = true;
  bool use_next = false;
  uint32_t next = 0;

  bool packet = false;
  uint32_t packet_id = 0, packet_type = 0;
  uint32_t out_of_order_id = 0;
  bool compression = false;
  bool tlast_suppress = false;

  // Shim only: AXI attributes. burst: 0..3 = 64, 128, 256, 512 bytes.
  uint32_t burst = 0, smid = 0, cache = 0, qos = 0;
  bool secure = false;

  bool operator==(const BufferDescriptor&) const = default;
};

// The hardware-proven AXI attributes (docs/npu-formats.md): anything else is refused by the linter.
inline constexpr uint32_t kAxiBurst = 3, kAxiCache = 2, kAxiQos = 0;

// `words` has at least dma.bd_words of the kind. Bits outside every field are ignored; see bd_field_mask.
BufferDescriptor decode_bd(TileKind kind, std::span<const uint32_t> words);
// dma.bd_words words, or Errc::out_of_range naming the field, its value and its range.
Result<std::vector<uint32_t>> encode_bd(TileKind kind, const BufferDescriptor& bd);
// The bits of a word that belong to a field.
uint32_t bd_field_mask(TileKind kind, unsigned word);

// Lowest and highest address (in words, iteration included) that the descriptor touches.
struct BdExtent {
  uint64_t first = 0, last = 0;
};
BdExtent bd_extent(TileKind kind, const BufferDescriptor& bd);

}  // namespace onebit::npu
