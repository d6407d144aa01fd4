// Test data by hand: configurations and streams put together register by register.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "npu/device/buffer_descriptor.h"
#include "npu/device/stream_switch.h"
#include "npu/image/cdo.h"
#include "npu/image/core_program.h"
#include "npu/image/transaction.h"
#include "npu/sim/simulator.h"

namespace onebit::npu::testing {

inline const Device& npu2() { return device(Generation::aie2p); }

class ConfigBuilder {
 public:
  void write(TileId tile, uint32_t offset, uint32_t value) { cdo_.write(address_of(tile, offset), value); }
  void lock(TileId tile, unsigned id, uint32_t value) { write(tile, model(tile).locks.offset(id), value); }
  void bd(TileId tile, unsigned id, const BufferDescriptor& bd) {
    const auto words = encode_bd(model(tile).kind, bd);
    ASSERT_TRUE(words) << words.error().message;
    cdo_.block_write(address_of(tile, model(tile).dma.bd_offset(id)), *words);
  }
  void start(TileId tile, Direction d, unsigned channel, unsigned bd, unsigned repeat = 1) {
    write(tile, model(tile).dma.queue_offset(d, channel), bd | (repeat - 1) << 16);
  }
  void circuit(TileId tile, Port slave, Port master) {
    const TileKind kind = model(tile).kind;
    const auto s = slave_index(kind, slave), m = master_index(kind, master);
    ASSERT_TRUE(s && m) << name(slave) << " " << name(master);
    write(tile, model(tile).stream_switch.master_offset(*m), encode(MasterConfig{true, false, false, *s}));
    write(tile, model(tile).stream_switch.slave_offset(*s), encode(SlaveConfig{true, false}));
  }
  // Packets with this id from the slave go to masters on the arbiter that have msel enabled.
  void packet_slave(TileId tile, Port slave, unsigned slot, uint8_t id, uint8_t mask, uint8_t msel, uint8_t arbiter) {
    const auto s = slave_index(model(tile).kind, slave);
    ASSERT_TRUE(s);
    write(tile, model(tile).stream_switch.slave_offset(*s), encode(SlaveConfig{true, true}));
    write(tile, model(tile).stream_switch.slot_offset(*s, slot), encode(PacketSlot{id, mask, true, msel, arbiter}));
  }
  void packet_master(TileId tile, Port master, uint8_t arbiter, uint8_t msels, bool drop_header) {
    const auto m = master_index(model(tile).kind, master);
    ASSERT_TRUE(m);
    write(tile, model(tile).stream_switch.master_offset(*m),
          encode(MasterConfig{true, true, drop_header, static_cast<uint8_t>(arbiter | msels << 3)}));
  }
  // Shim column: DMA on its ports, and the route of tokens.
  void shim(uint8_t column, bool token_route = true) {
    const TileId tile{column, 0};
    cdo_.mask_write(address_of(tile, kMuxConfig), 0xCC00, 0x4400);
    cdo_.mask_write(address_of(tile, kDemuxConfig), 0xF0, 0x50);
    if (!token_route) return;
    packet_slave(tile, kTokenSlave, 0, 15, 0x1F, 3, 5);
    packet_master(tile, kTokenMaster, 5, 8, false);
  }
  // MM2S channel 0 of the shim up to S2MM `to` of the memory tile above it, and MM2S `from` down to S2MM channel 0.
  void shim_to_mem(uint8_t column, uint8_t to) {
    circuit({column, 0}, {Bundle::south, 3}, {Bundle::north, 0});
    circuit({column, 1}, {Bundle::south, 0}, {Bundle::dma, to});
  }
  void mem_to_shim(uint8_t column, uint8_t from) {
    circuit({column, 1}, {Bundle::dma, from}, {Bundle::south, 0});
    circuit({column, 0}, {Bundle::north, 0}, {Bundle::south, 2});
  }
  void program(TileId tile, const CoreProgram& program) {
    const auto record = write_core_record(program);
    ASSERT_TRUE(record) << record.error().message;
    std::vector<uint32_t> words(record->size() / 4);
    std::memcpy(words.data(), record->data(), record->size());
    const TileModel& t = model(tile);
    cdo_.block_write(address_of(tile, t.program_base + t.program_bytes - static_cast<uint32_t>(record->size())), words);
    write(tile, kCoreControl, kCoreEnable);
  }

  std::vector<uint8_t> bytes() { return write_cdo(cdo_.take()); }

 private:
  static const TileModel& model(TileId tile) { return npu2().tile(tile); }
  CdoBuilder cdo_;
};

class StreamBuilder {
 public:
  // A shim transfer: descriptor, patch, controller id, queue entry. The base of `bd` is the offset in the buffer.
  void transfer(uint8_t column, Direction d, unsigned channel, unsigned bd_id, uint32_t argument, BufferDescriptor bd, bool token,
                unsigned repeat = 1) {
    const TileId tile{column, 0};
    const DmaModel& dma = npu2().tile(TileKind::shim).dma;
    const uint64_t offset = bd.base;
    bd.base = 0;
    bd.burst = kAxiBurst;
    bd.cache = kAxiCache;
    stream_.ops.push_back({TxnBlockWrite{address_of(tile, dma.bd_offset(bd_id)), encode_bd(TileKind::shim, bd).value()}});
    stream_.ops.push_back({TxnDdrPatch{address_of(tile, dma.bd_offset(bd_id) + 4), argument, offset}});
    if (token) stream_.ops.push_back({TxnMaskWrite{address_of(tile, dma.control_offset(d, channel)), kTokenControllerId << 8, 0x1F00}});
    stream_.ops.push_back({TxnWrite{address_of(tile, dma.queue_offset(d, channel)), bd_id | (repeat - 1) << 16 | (token ? kQueueToken : 0)}});
  }
  void linear(uint8_t column, Direction d, unsigned channel, unsigned bd_id, uint32_t argument, uint32_t words, bool token) {
    BufferDescriptor bd;
    bd.length = words;
    transfer(column, d, channel, bd_id, argument, bd, token);
  }
  void sync(uint8_t column, Direction d, uint8_t channel) { stream_.ops.push_back({TxnSync{column, 0, d, channel, 1, 1}}); }
  void add(TxnOp op) { stream_.ops.push_back(std::move(op)); }

  std::vector<uint8_t> bytes() const { return write_transaction(stream_).value(); }

 private:
  Transaction stream_ = make_transaction(npu2());
};

// bo0: counting words; the rest poison.
struct Buffers {
  explicit Buffers(std::vector<size_t> words) {
    for (const size_t n : words) data.emplace_back(n, 0xCDCDCDCDu);
    std::iota(data[0].begin(), data[0].end(), 1000u);
  }
  std::vector<std::span<uint8_t>> spans() {
    std::vector<std::span<uint8_t>> s;
    for (auto& d : data) s.emplace_back(reinterpret_cast<uint8_t*>(d.data()), d.size() * 4);
    return s;
  }
  std::vector<std::vector<uint32_t>> data;
};

inline BufferDescriptor linear_bd(uint64_t base, uint32_t words) {
  BufferDescriptor bd;
  bd.base = base;
  bd.length = words;
  return bd;
}
// Waits for lock >= 1 and takes it; afterwards adds 1 to the other.
inline BufferDescriptor locked(BufferDescriptor bd, uint32_t acquire, uint32_t release) {
  bd.acquire = true;
  bd.acquire_lock = acquire;
  bd.acquire_value = -1;
  bd.release_lock = release;
  bd.release_value = 1;
  return bd;
}

inline constexpr uint64_t kMemOwn = kMemWindowBytes / 4;  // word address of a memory tile's own memory
inline constexpr uint32_t kMemOwnLock = kMemLocks;

// Shim -> memory tile -> shim through one buffer of `words`, for ever; column 0.
inline ConfigBuilder passthrough(uint32_t words) {
  constexpr TileId mem{0, 1};
  ConfigBuilder c;
  c.lock(mem, 0, 1);
  c.lock(mem, 1, 0);
  BufferDescriptor in = locked(linear_bd(kMemOwn, words), kMemOwnLock, kMemOwnLock + 1);
  in.use_next = true;
  in.next = 0;
  BufferDescriptor out = locked(linear_bd(kMemOwn, words), kMemOwnLock + 1, kMemOwnLock);
  out.use_next = true;
  out.next = 1;
  c.bd(mem, 0, in);
  c.bd(mem, 1, out);
  c.start(mem, Direction::s2mm, 0, 0);
  c.start(mem, Direction::mm2s, 0, 1);
  c.shim_to_mem(0, 0);
  c.mem_to_shim(0, 0);
  c.shim(0);
  return c;
}
inline StreamBuilder passthrough_stream(uint32_t words) {
  StreamBuilder s;
  s.linear(0, Direction::mm2s, 0, 0, 0, words, false);
  s.linear(0, Direction::s2mm, 0, 1, 1, words, true);
  s.sync(0, Direction::s2mm, 0);
  return s;
}

}  // namespace onebit::npu::testing
