// The array simulator: takes the bytes of a configuration and of instruction streams, applies them to a register
// file per tile, and lets the behaviour follow from the registers alone.
//
// What it does not model it refuses, with a message that names the tile and the field. Memory starts poisoned.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "npu/device/device.h"
#include "npu/image/bytes.h"
#include "npu/image/transaction.h"
#include "npu/kernels/host/host_kernel.h"
#include "npu/sim/timing.h"

namespace onebit::npu {

class Trace;

inline constexpr uint8_t kPoison = 0xCD;  // every byte of tile memory that nothing has written

struct SimOptions {
  std::span<const HostKernel> kernels{};
  // Cores do no work but keep data flowing: a core takes what its DMA fills and gives what its DMA sends, by the
  // lock pairs of its buffer descriptors. For images whose cores hold only machine code.
  bool stub_cores = false;
  bool timed = false;  // beside the data also clocks; see timing.h
  TimingModel timing{};
  uint64_t max_steps = 4'000'000'000;  // per run: words moved, lock operations, steps of cores
  Trace* trace = nullptr;               // timed runs only; outlives the simulator
};

struct ShimTraffic {
  TileId tile;
  Direction direction;
  uint8_t channel;
  uint64_t words = 0, tasks = 0;
};

struct RunReport {
  uint64_t ddr_read_bytes = 0, ddr_write_bytes = 0;
  std::vector<ShimTraffic> shim{};  // channels that moved something, in order of tile, direction, channel
  uint64_t array_words = 0;         // moved by DMA channels in all
  uint64_t lock_acquires = 0, lock_releases = 0;
  uint64_t kernel_calls = 0;
  uint64_t operations = 0, syncs = 0, tokens = 0;
  uint64_t steps = 0;
  // Shim tasks without an end when the array came to rest after the stream.
  std::vector<std::string> still_active{};
  // Outputs that no wait of the stream covers: on hardware the host may read them too early.
  std::vector<std::string> unwaited{};
  // Registers written that have no effect here: events, trace, performance counters.
  std::vector<std::string> notices{};
  // Timed runs: from submission to the last wait. Always a simulated figure.
  bool timed = false;
  double cycles = 0, seconds = 0;
};

class Array;

class Simulator {
 public:
  // `image`: xclbin, PDI or CDO. Applies the configuration and lets the array come to rest.
  static Result<Simulator> open(const Device& device, Bytes image, const SimOptions& options);

  Simulator(Simulator&&) noexcept;
  Simulator& operator=(Simulator&&) noexcept;
  ~Simulator();

  // Executes an instruction stream on buffers bo0, bo1, ... State of the array persists between runs, as in a
  // hardware context. After an error the array is in no defined state.
  Result<RunReport> run(Bytes instruction_stream, std::span<const std::span<uint8_t>> buffers);

  // For tests and inspection: a word of tile memory or a register, as the host would read it.
  Result<uint32_t> read(TileId tile, uint32_t offset) const;

 private:
  explicit Simulator(std::unique_ptr<Array> array);
  std::unique_ptr<Array> array_;
};

// Bytes of each buffer argument that a stream's shim descriptors reach, by argument index.
std::map<uint32_t, uint64_t> buffer_sizes(const Device& device, const Transaction& stream);

}  // namespace onebit::npu
