// What a list of commands leaves behind: the last value of every register, the memory ranges written,
// and the task-queue entries in order. The linter's view of the array.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "npu/device/buffer_descriptor.h"
#include "npu/device/device.h"
#include "npu/image/cdo.h"
#include "npu/image/transaction.h"

namespace onebit::npu {

struct QueuePush {
  TileId tile;
  Direction direction;
  uint8_t channel;
  uint32_t word;

  bool operator==(const QueuePush&) const = default;
};

struct MemoryWrite {
  TileId tile;
  uint32_t first, last;  // byte offsets in the tile
};

class RegisterFile {
 public:
  explicit RegisterFile(const Device& device) : device_(&device) {}

  const Device& device() const { return *device_; }

  void apply(const Cdo& cdo);
  void apply(const CdoCommand& command);
  void apply(const TxnOp& op);

  // Writes outside the array change nothing.
  void write(uint64_t address, uint32_t value);
  void mask_write(uint64_t address, uint32_t mask, uint32_t value);
  void block_write(uint64_t address, const std::vector<uint32_t>& data);

  std::optional<uint32_t> find(TileId tile, uint32_t offset) const;
  uint32_t value(TileId tile, uint32_t offset) const { return find(tile, offset).value_or(0); }

  // Nothing unless every word was written.
  std::optional<BufferDescriptor> bd(TileId tile, unsigned index) const;

  // The descriptors a task that starts at `first` runs, each once; stops at one that was not written.
  struct Chain {
    std::vector<uint8_t> bds;
    bool cyclic = false;
  };
  Chain chain(TileId tile, unsigned first) const;

  const std::vector<QueuePush>& pushes() const { return pushes_; }
  const std::vector<MemoryWrite>& memory_writes() const { return memory_writes_; }
  // Tiles with at least one register or memory write.
  std::vector<TileId> tiles() const;

 private:
  const Device* device_;
  std::map<TileId, std::map<uint32_t, uint32_t>> registers_;
  std::vector<QueuePush> pushes_;
  std::vector<MemoryWrite> memory_writes_;
};

}  // namespace onebit::npu
