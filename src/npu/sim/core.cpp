#include "npu/sim/core.h"

#include "npu/sim/array.h"

namespace onebit::npu {
namespace {

constexpr uint32_t kWindowBytes = 0x10000;
constexpr unsigned kWindowLocks = 16;
constexpr const char* kWindowNames[] = {"south", "west", "north", "own"};

}  // namespace

std::string Core::name() const { return fmt::format("core {}", npu::name(tile.id)); }

Status Core::step() {
  if (!enabled_ || done || !behaviour_) return {};
  waiting = {};
  if (auto stepped = behaviour_->step(*this); !stepped) return with_context(std::move(stepped).error(), name());
  return {};
}

void Core::reset() {
  behaviour_.reset();
  waiting = {};
  done = false;
}

void Core::start_stub() {
  behaviour_ = make_stub_core();
  enabled_ = true;
  array.scheduler.wake(this);
}

Status Core::load() {
  if (!tile.program_written) return fail(Errc::unsupported, "the core is enabled and its program memory was never written");
  ONEBIT_ASSIGN(auto program, read_core_record(tile.program.bytes()));
  if (program) {
    behaviour_ = make_record_core(std::move(*program));
    return {};
  }
  if (!array.options.stub_cores)
    return fail(
        Errc::unsupported,
        "program memory holds machine code without a core record, which the simulator cannot run (stub cores keep data flowing: --stub-cores)");
  behaviour_ = make_stub_core();
  return {};
}

Result<Tile*> Core::neighbour(unsigned window, const char* what) const {
  const int column = tile.id.column - (window == 1), row = tile.id.row + (window == 2) - (window == 0);
  Tile* t = window == 3 ? &tile : array.find(column, row);
  if (!t || t->model->kind != TileKind::core)
    return fail(Errc::out_of_range, "uses {} of its {} neighbour, which has no core memory", what, kWindowNames[window]);
  return t;
}

Result<LockRef> Core::lock(unsigned view) const {
  if (view >= 4 * kWindowLocks) return fail(Errc::out_of_range, "uses lock {}, expected below {}", view, 4 * kWindowLocks);
  ONEBIT_ASSIGN(Tile * owner, neighbour(view / kWindowLocks, "a lock"));
  return LockRef{owner, view % kWindowLocks};
}

Result<uint8_t*> Core::memory(uint32_t address, uint32_t bytes) const {
  if (address < kCoreSouthWindow || address - kCoreSouthWindow >= 4 * kWindowBytes || address % kWindowBytes + uint64_t{bytes} > kWindowBytes)
    return fail(Errc::out_of_range, "uses {} bytes at {:#x}, expected inside one of the 64 KiB windows from {:#x}", bytes, address, kCoreSouthWindow);
  ONEBIT_ASSIGN(Tile * owner, neighbour((address - kCoreSouthWindow) / kWindowBytes, "memory"));
  return owner->data.data() + address % kWindowBytes;
}

}  // namespace onebit::npu
