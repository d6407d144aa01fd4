// The array simulator under arbitrary register writes: the input is cut into records, each an operation of a
// configuration or of an instruction stream on a small part of the array. Steps and memory are bounded.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "npu/device/buffer_descriptor.h"
#include "npu/device/stream_switch.h"
#include "npu/image/cdo.h"
#include "npu/image/core_program.h"
#include "npu/sim/simulator.h"
#include "npu/sim/trace.h"

using namespace onebit::npu;

namespace {

class Input {
 public:
  explicit Input(Bytes bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint8_t u8() {
    if (bytes_.empty()) return 0;
    const uint8_t b = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return b;
  }
  uint32_t u32() {
    uint32_t v = 0;
    for (unsigned i = 0; i < 4; ++i) v |= uint32_t{u8()} << (8 * i);
    return v;
  }

 private:
  Bytes bytes_;
};

const HostKernel kKernel{"k", [](std::span<const KernelArg>) -> onebit::Status { return {}; }, [](std::span<const KernelArg>) {},
                         [](std::span<const KernelArg> a) -> uint64_t { return a.size(); }};

struct Program {
  const Device& device;
  CdoBuilder cdo;
  Transaction stream;
  bool running = false;  // records go to the stream

  void write(TileId tile, uint32_t offset, uint32_t value) {
    if (running)
      stream.ops.push_back({TxnWrite{address_of(tile, offset), value}});
    else
      cdo.write(address_of(tile, offset), value);
  }
  void block(TileId tile, uint32_t offset, const std::vector<uint32_t>& words) {
    if (running)
      stream.ops.push_back({TxnBlockWrite{address_of(tile, offset), words}});
    else
      cdo.block_write(address_of(tile, offset), words);
  }
};

// A descriptor that is likely to be accepted.
void write_bd(Program& p, TileId tile, Input& in) {
  const TileModel& model = p.device.tile(tile);
  BufferDescriptor bd;
  const uint8_t shape = in.u8();
  bd.base = (model.kind == TileKind::mem && !(shape & 1) ? kMemWindowBytes / 4 : 0) + in.u8();
  if (model.kind == TileKind::shim) bd.base *= 4;
  bd.length = 1u + in.u8();
  for (unsigned d = 0; d < 2 && (shape & 2); ++d) bd.dims[d] = {1u + in.u8() % 16, in.u8() % 8u};
  if (shape & 4) bd.iteration_step = 1u + in.u8(), bd.iteration_wrap = 1u + in.u8() % 64;
  const uint32_t own = model.kind == TileKind::mem ? kMemLocks : 0;
  if (shape & 8) bd.acquire = true, bd.acquire_lock = own + in.u8() % 4, bd.acquire_value = static_cast<int8_t>(in.u8()) / 32;
  if (shape & 16) bd.release_lock = own + in.u8() % 4, bd.release_value = 1 + in.u8() % 2;
  if (shape & 32) bd.use_next = true, bd.next = in.u8() % 4;
  if (shape & 64) bd.packet = true, bd.packet_id = in.u8() % 32;
  if (model.kind == TileKind::mem && (shape & 128)) bd.pad_before = {in.u8() % 4u, in.u8() % 4u, 0};
  if (const auto words = encode_bd(model.kind, bd)) p.block(tile, model.dma.bd_offset(in.u8() % 4), *words);
}

void write_core(Program& p, TileId tile, Input& in) {
  CoreProgram core;
  core.kernels = {"k"};
  core.rings = {{{kCoreOwnWindow, kCoreOwnWindow + 64}, 64}};
  StepLoop loop{{false, static_cast<int8_t>(in.u8()), 0}, {}};
  for (unsigned n = in.u8() % 6; n > 0; --n) {
    const uint8_t lock = in.u8() % 64;
    switch (in.u8() % 5) {
      case 0: loop.body.push_back({StepAcquire{lock, 1, false}}); break;
      case 1: loop.body.push_back({StepRelease{lock, 1}}); break;
      case 2: loop.body.push_back({StepAdvance{0, 1}}); break;
      case 3: loop.body.push_back({StepCall{0, {ArgRing{0, 1}, ArgBuffer{kCoreSouthWindow + uint32_t{lock} * 4096, 64}}}}); break;
      default: loop.body.push_back({StepLoop{{true, 0, kCoreOwnWindow}, {}}}); break;
    }
  }
  core.steps = {{std::move(loop)}};
  const auto record = write_core_record(core);
  if (!record) return;
  std::vector<uint32_t> words(record->size() / 4);
  std::memcpy(words.data(), record->data(), record->size());
  const TileModel& model = p.device.tile(tile);
  p.block(tile, model.program_base + model.program_bytes - static_cast<uint32_t>(record->size()), words);
  p.write(tile, kCoreControl, kCoreEnable);
}

void write_switch(Program& p, TileId tile, Input& in) {
  const TileModel& model = p.device.tile(tile);
  const auto slaves = slave_ports(model.kind), masters = master_ports(model.kind);
  const uint8_t slave = in.u8() % slaves.size(), master = in.u8() % masters.size(), mode = in.u8();
  if (mode & 1) {
    p.write(tile, model.stream_switch.slot_offset(slave, mode >> 1 & 3),
            encode(PacketSlot{in.u8(), in.u8(), true, static_cast<uint8_t>(mode >> 3 & 3), static_cast<uint8_t>(mode >> 5)}));
    p.write(tile, model.stream_switch.slave_offset(slave), encode(SlaveConfig{true, true}));
    p.write(tile, model.stream_switch.master_offset(master), encode(MasterConfig{true, true, (mode & 2) != 0, in.u8()}));
  } else if (connection_legal(model.kind, slaves[slave], masters[master])) {
    p.write(tile, model.stream_switch.slave_offset(slave), encode(SlaveConfig{true, false}));
    p.write(tile, model.stream_switch.master_offset(master), encode(MasterConfig{true, false, false, slave}));
  }
}

void add(Program& p, Input& in) {
  const uint8_t what = in.u8(), where = in.u8();
  const TileId tile{static_cast<uint8_t>(where >> 3 & 1), static_cast<uint8_t>((where & 7) % 4)};
  const TileModel& model = p.device.tile(tile);
  const Direction direction = where & 0x40 ? Direction::mm2s : Direction::s2mm;
  const uint8_t channel = (where >> 4 & 3) % model.dma.channels;
  switch (what % 12) {
    case 0: p.running = true; break;
    case 1: p.write(tile, in.u32() % kTileBytes & ~3u, in.u32()); break;
    case 2: write_bd(p, tile, in); break;
    case 3:
      p.write(tile, model.dma.queue_offset(direction, channel), (in.u8() % 4u) | (in.u8() & 3u) << 16 | (where & 0x80 ? kQueueToken : 0));
      break;
    case 4: write_switch(p, tile, in); break;
    case 5: p.write(tile, model.locks.offset(in.u8() % 4), in.u8() & 63); break;
    case 6: p.write({tile.column, 0}, kMuxConfig, 0x4400), p.write({tile.column, 0}, kDemuxConfig, 0x50); break;
    case 7:
      if (model.kind == TileKind::core) write_core(p, tile, in);
      break;
    case 8: p.stream.ops.push_back({TxnSync{tile.column, tile.row, direction, channel, 1, 1}}); break;
    case 9:
      p.stream.ops.push_back({TxnDdrPatch{address_of({tile.column, 0}, 0x1D004 + 0x20 * (in.u8() % 4u)), in.u8() % 3u, in.u8() * uint64_t{4}}});
      break;
    case 10: p.stream.ops.push_back({TxnMaskPoll{address_of(tile, model.locks.offset(in.u8() % 4)), in.u8() & 3u, 3}}); break;
    case 11:
      p.write(tile, model.dma.control_offset(direction, channel), in.u8() & 0x1F),
          p.write(tile, model.dma.control_offset(direction, channel), 15 << 8);
      break;
  }
}

void simulate(const std::vector<uint8_t>& image, const std::vector<uint8_t>& stream, const Device& device, bool timed, bool stubs) {
  Trace trace;
  SimOptions options;
  options.kernels = {&kKernel, 1};
  options.max_steps = 20000;
  options.timed = timed;
  options.trace = timed ? &trace : nullptr;
  options.stub_cores = stubs;
  auto sim = Simulator::open(device, image, options);
  if (!sim) return;
  std::vector<uint8_t> a(512), b(512);
  const std::span<uint8_t> buffers[] = {a, b};
  for (int run = 0; run < 2; ++run)
    if (!sim->run(stream, buffers)) return;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(Bytes(data, std::min<size_t>(size, 4096)));
  const uint8_t flags = in.u8();
  const Device& device = onebit::npu::device(flags & 4 ? Generation::aie2 : Generation::aie2p);
  Program p{device, {}, make_transaction(device)};
  while (!in.empty()) add(p, in);
  const auto stream = write_transaction(p.stream);
  if (!stream) return 0;
  (void)buffer_sizes(device, p.stream);
  simulate(write_cdo(p.cdo.take()), *stream, device, flags & 1, flags & 2);
  return 0;
}
