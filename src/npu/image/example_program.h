// Test data: the configuration of one column of a program that ran on hardware (the decoded words of
// docs/npu-formats.md), and a stream that runs it: two inputs, one output, a core between them.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "npu/device/buffer_descriptor.h"
#include "npu/device/device.h"
#include "npu/image/cdo.h"
#include "npu/image/transaction.h"

namespace onebit::npu::testing {

inline Cdo example_cdo() {
  constexpr TileId shim{0, 0}, mem{0, 1}, core{0, 2};
  CdoBuilder b;
  const auto write = [&b](TileId tile, uint32_t offset, uint32_t value) { b.write(address_of(tile, offset), value); };
  const auto mask = [&b](TileId tile, uint32_t offset, uint32_t m, uint32_t v) { b.mask_write(address_of(tile, offset), m, v); };
  const auto block = [&b](TileId tile, uint32_t offset, std::vector<uint32_t> w) { b.block_write(address_of(tile, offset), std::move(w)); };

  b.nop();
  mask(core, kCoreControl, kCoreEnable, 0);
  for (const uint32_t ctrl : {0x1DE10u, 0x1DE18u, 0x1DE00u, 0x1DE08u}) mask(core, ctrl, 2, 2);
  block(core, 0x20000, {0x00010001, 0x00000000, 0x10001000, 0x00000000});
  for (const uint32_t ctrl : {0x1DE10u, 0x1DE18u, 0x1DE00u, 0x1DE08u}) mask(core, ctrl, 2, 0);

  mask(core, kCoreControl, kCoreReset, kCoreReset);
  mask(core, kCoreControl, kCoreReset, 0);
  for (uint32_t i = 0; i < 16; ++i) write(core, 0x1F000 + 0x10 * i, 0);
  for (const auto& [lock, value] : {std::pair{4u, 1u}, {5u, 0u}, {2u, 2u}, {3u, 0u}, {0u, 2u}, {1u, 0u}}) {
    write(mem, 0xC0000 + 0x10 * lock, value);
    write(core, 0x1F000 + 0x10 * lock, value);
  }
  block(core, 0x1D000, {0xd500400, 0, 0x7e000, 0x2010007, 0, 0xe043fe0});
  block(core, 0x1D040, {0x8d00900, 0, 0, 0, 0, 0x1e047fe2});
  block(core, 0x1D080, {0x0d02000, 0, 0, 0, 0, 0x26049fe5});
  block(core, 0x1D060, {0xb100900, 0, 0, 0, 0, 0x16047fe2});
  block(core, 0x1D020, {0xe500400, 0, 0x7e000, 0x2010007, 0, 0x6043fe0});
  for (const auto& [ctrl, bd] : {std::pair{0x1DE00u, 0u}, {0x1DE08u, 2u}, {0x1DE10u, 4u}}) {
    write(core, ctrl + 4, bd);
    mask(core, ctrl, 0, 1);
  }
  block(mem, 0xA0000, {0x8000, 0x1a0000, 0x400000, 0x100fff, 0x100001f, 0, 0, 0x8141ff40});
  block(mem, 0xA0040, {0x8000, 0x3a0000, 0x80000, 0x40001f, 0x100003, 0x3ff, 0, 0x8140ff41});
  block(mem, 0xA0300, {0x900, 0x19b2000, 0, 0, 0, 0, 0, 0x8143ff42});
  block(mem, 0xA0340, {0x900, 0x1bb2000, 0, 0, 0, 0, 0, 0x8142ff43});
  block(mem, 0xA0080, {0x2000, 0x4b0000, 0, 0, 0, 0, 0, 0x8145ff44});
  block(mem, 0xA00A0, {0x2000, 0x5b0000, 0x80000, 0x200007, 0x40003, 0x7f, 0, 0x8144ff45});
  block(mem, 0xA0360, {0x900, 0x1ab2900, 0, 0, 0, 0, 0, 0x8142ff43});
  block(mem, 0xA0320, {0x900, 0x18b2900, 0, 0, 0, 0, 0, 0x8143ff42});
  block(mem, 0xA0060, {0x8000, 0x2a8000, 0x80000, 0x40001f, 0x100003, 0x3ff, 0, 0x8140ff41});
  block(mem, 0xA0020, {0x8000, 0xa8000, 0x400000, 0x100fff, 0x100001f, 0, 0, 0x8141ff40});
  for (const auto& [ctrl, bd] : {std::pair{0xA0600u, 0u}, {0xA0630u, 2u}, {0xA0608u, 24u}, {0xA0638u, 26u}, {0xA0610u, 4u}, {0xA0640u, 5u}}) {
    write(mem, ctrl + 4, bd);
    mask(mem, ctrl, 0, 1);
  }
  // Circuits: master, then slave.
  for (const auto& [offset, value] : {std::pair{0x3F03Cu, 0x80000005u}, {0x3F114u, 0x80000000u}, {0x3F044u, 0x80000009u},
                                     {0x3F124u, 0x80000000u}, {0x3F010u, 0x80000010u}, {0x3F140u, 0x80000000u},
                                     {0x3F008u, 0xC0000045u}, {0x3F100u, 0xC0000000u}, {0x3F200u, 0x0F1F0135u}})
    write(shim, offset, value);
  for (const auto& [offset, value] : {std::pair{0xB0000u, 0x8000000Au}, {0xB0128u, 0x80000000u}, {0xB0030u, 0x80000000u},
                                     {0xB0100u, 0x80000000u}, {0xB0004u, 0x8000000Cu}, {0xB0130u, 0x80000000u},
                                     {0xB0040u, 0x80000001u}, {0xB0104u, 0x80000000u}, {0xB0008u, 0x8000000Eu},
                                     {0xB0138u, 0x80000000u}, {0xB0024u, 0x80000002u}, {0xB0108u, 0x80000000u}})
    write(mem, offset, value);
  for (const auto& [offset, value] : {std::pair{0x3F004u, 0x80000006u}, {0x3F118u, 0x80000000u}, {0x3F008u, 0x8000000Au},
                                     {0x3F128u, 0x80000000u}, {0x3F018u, 0x80000001u}, {0x3F104u, 0x80000000u}})
    write(core, offset, value);
  mask(shim, 0x1F000, 0xC00, 0x400);
  mask(shim, 0x1F000, 0xC000, 0x4000);
  mask(shim, 0x1F004, 0x30, 0x10);
  b.nop();
  mask(core, kCoreControl, kCoreEnable, kCoreEnable);
  return b.take();
}

// Adds descriptor, patch, controller id where a token is wanted, and the queue entry of one transfer.
inline void add_transfer(Transaction& t, uint32_t bd, Direction direction, uint8_t channel, uint32_t argument,
                         std::vector<uint32_t> words, bool token) {
  const DmaModel& dma = device(Generation::aie2p).tile(TileKind::shim).dma;
  t.ops.push_back({TxnBlockWrite{dma.bd_offset(bd), std::move(words)}});
  t.ops.push_back({TxnDdrPatch{dma.bd_offset(bd) + 4, argument, 0}});
  if (token) t.ops.push_back({TxnMaskWrite{dma.control_offset(direction, channel), kTokenControllerId << 8, 0x1F00}});
  t.ops.push_back({TxnWrite{dma.queue_offset(direction, channel), bd | (token ? kQueueToken : 0)}});
}

inline Transaction example_stream(bool compact = false) {
  Transaction t = make_transaction(device(Generation::aie2p), compact);
  add_transfer(t, 0, Direction::mm2s, 0, 0, {0x30000, 0, 0, 0x10000000, 0xC80005FF, 0x020000FF, 0, 0x02000000}, false);
  add_transfer(t, 1, Direction::mm2s, 1, 1, {0x1B000, 0, 0, 0, 0xC0000000, 0x02000000, 0, 0x02000000}, false);
  add_transfer(t, 2, Direction::s2mm, 0, 2, {0x2000, 0, 0, 0x04000000, 0xC80001FF, 0x02000000, 0, 0x02000000}, true);
  t.ops.push_back({TxnSync{}});
  return t;
}

// A foreign file kept beside the checkout, where this machine has it.
inline std::optional<std::vector<uint8_t>> foreign_sample(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(ONEBIT_SOURCE_DIR) / "../shared/npu-samples" / name;
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(in), {});
}
inline constexpr const char* kForeignXclbin = "bf16_8col_D_qwen3_0_6b.xclbin";
inline constexpr const char* kForeignStream = "insts_bf16_8col_D_qwen3_0_6b.bin";

}  // namespace onebit::npu::testing
