// The state of the array: tiles with memory, locks, descriptors, registers, DMA channels and cores, the stream
// fabric between them, and host memory as the shim sees it.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "npu/device/buffer_descriptor.h"
#include "npu/image/cdo.h"
#include "npu/sim/core.h"
#include "npu/sim/dma_channel.h"
#include "npu/sim/fabric.h"
#include "npu/sim/scheduler.h"
#include "npu/sim/simulator.h"

namespace onebit::npu {

struct Lock {
  int value = 0;
  std::vector<Actor*> waiters{};
  std::vector<double> credits{};  // timed runs: when each unit of the value came, oldest first
};

struct BdSlot {
  std::array<uint32_t, 8> words{};
  uint8_t written = 0;   // a bit per word
  uint64_t version = 0;  // counts writes
};

// Memory aligned to 64 bytes, filled with poison; allocated when first looked at.
class TileMemory {
 public:
  explicit TileMemory(uint32_t bytes) : size_(bytes) {}
  uint8_t* data() const {
    if (!data_) allocate();
    return data_;
  }
  uint32_t size() const { return size_; }
  Bytes bytes() const { return {data(), size_}; }

 private:
  void allocate() const;
  mutable std::unique_ptr<uint8_t[]> storage_;
  mutable uint8_t* data_ = nullptr;
  uint32_t size_;
};

struct Tile {
  Tile(Array& array, TileId id, const TileModel& model);

  TileId id;
  const TileModel* model;
  TileMemory data, program;
  bool program_written = false;
  std::vector<Lock> locks;
  std::vector<BdSlot> bds;
  std::array<std::vector<std::unique_ptr<DmaChannel>>, 2> channels;  // by Direction
  std::unique_ptr<Core> core;                                        // core tiles only
  std::unordered_map<uint32_t, uint32_t> registers;                  // what is neither memory, lock nor descriptor

  uint32_t reg(uint32_t offset) const {
    const auto r = registers.find(offset);
    return r == registers.end() ? 0 : r->second;
  }
};

struct LockRef {
  Tile* tile = nullptr;
  unsigned id = 0;
};

class Array {
 public:
  Array(const Device& device, const SimOptions& options);

  Status apply(const Cdo& cdo);
  Result<RunReport> run(const Transaction& stream, std::span<const std::span<uint8_t>> buffers, size_t stream_bytes);

  // A word as the configuration bus sees it.
  Status write(uint64_t address, uint32_t value);
  Status mask_write(uint64_t address, uint32_t mask, uint32_t value);
  Status write_block(uint64_t address, std::span<const uint32_t> words);
  Result<uint32_t> read(TileId tile, uint32_t offset) const;

  // For channels and cores.
  // True, or false with the actor put on the lock's list. An equal acquire of 0 takes nothing.
  Result<bool> acquire(LockRef lock, int value, bool equal, Actor& who);
  Status release(LockRef lock, int value, Actor& who);
  struct Memory {
    uint8_t* data = nullptr;
    uint64_t words = 0;  // from there to the end of the window
  };
  // Host memory at a device address; all of [address, address + 4 * words) must lie in one buffer.
  Result<Memory> host_memory(uint64_t address, uint64_t words);
  void issue_token(Tile& tile, Direction direction, unsigned channel, unsigned controller_id, double time);
  // Time at which `bytes` have passed to or from DDR when they could start at `time`.
  double ddr(double time, double bytes, Direction direction);

  const Device& device;
  const SimOptions options;
  Scheduler scheduler;
  Fabric fabric;
  RunReport report;  // of the run in progress

  Tile* find(int column, int row);
  Tile& tile(TileId id) { return *tiles_[static_cast<size_t>(id.column) * device.rows + id.row]; }
  const Tile& tile(TileId id) const { return *tiles_[static_cast<size_t>(id.column) * device.rows + id.row]; }
  std::vector<std::unique_ptr<Tile>>& tiles() { return tiles_; }

 private:
  struct TokenKey {
    TileId tile;
    Direction direction;
    uint8_t channel;
    auto operator<=>(const TokenKey&) const = default;
  };
  struct Tokens {
    struct Token {
      double time = 0;
      uint64_t task = 0;  // of the channel, counted from 1
    };
    std::deque<Token> arrived{};
    uint64_t waited = 0;  // the last task that a wait covered
    uint64_t lost = 0;
    std::string reason{};  // of the last loss
  };

  Status apply(const CdoCommand& command);
  Status write(Tile& tile, uint32_t offset, uint32_t value);
  Status write_register(Tile& tile, uint32_t offset, uint32_t value);
  Status write_core_control(Tile& tile, uint32_t value);
  Status write_channel(Tile& tile, const ChannelRegister& channel, uint32_t value);
  Status check_unmodelled(Tile& tile, uint32_t offset, const std::string& reg, uint32_t value);
  uint32_t peek(const Tile& tile, uint32_t offset) const;
  Result<TileAddress> locate(uint64_t address) const;
  void lock_changed(Lock& lock);
  Status rest();    // runs until nothing moves, or for long enough
  Status settle();  // the same, with stub cores where they are needed
  void wake_stubs();
  void place_stubs();
  bool grant_core_locks();
  Result<bool> run_until(const std::function<bool()>& done);
  Status skip(const char* why, const std::string& what);
  Status execute(const TxnOp& op);
  Status poll(uint64_t address, uint32_t mask, uint32_t expected);
  Status wait_token(const TxnSync& sync);
  Status patch(const TxnDdrPatch& patch);
  Status begin_run();
  void end_run();

  std::string explain_sync(const TokenKey& key);
  std::string explain_all();
  void explain_from(const Actor& actor, std::set<const Actor*>& seen, std::string& text) const;
  std::string describe(const Actor& actor) const;
  std::vector<const Actor*> actors() const;
  std::vector<const Actor*> causes(const Actor& actor) const;

  std::vector<std::unique_ptr<Tile>> tiles_;
  std::span<const std::span<uint8_t>> buffers_{};
  std::map<TokenKey, Tokens> tokens_;
  std::set<std::string> notices_;
  double now_ = 0;        // of the stream's execution
  double ddr_free_[2]{}, ddr_mixed_free_ = 0;  // when DDR is free again, by Direction and for both
  bool fresh_ = true;     // no run yet
  uint64_t grants_ = 0;   // of locks to stub cores in all
  std::map<std::pair<uint64_t, uint64_t>, std::vector<uint8_t>> scratch_;  // by address and size: what was not patched
  uint64_t scratch_bytes_ = 0;
};

// Buffer argument i lies at this device address; a descriptor that was not patched points below.
inline constexpr unsigned kBufferShift = 40;
constexpr uint64_t buffer_address(uint64_t argument) { return (argument + 1) << kBufferShift; }

}  // namespace onebit::npu
