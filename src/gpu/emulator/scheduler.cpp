#include "gpu/emulator/scheduler.h"
#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "gpu/emulator/fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#define ONEBIT_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONEBIT_FIBER_ASAN 1
#endif
#endif
#if defined(ONEBIT_FIBER_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

namespace onebit::gpu::emulator {
namespace {

constexpr size_t kStackBytes = 256 << 10;
constexpr size_t kRedZone = 64;
constexpr uint8_t kShared = 0xff, kZone = 0xb7;
constexpr uint32_t kWarp = 32;

enum class Wait : uint8_t { nothing, barrier, exchange, collective, done };

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  uint32_t group;
};

struct Thread {
  std::unique_ptr<char[]> stack;
  Fiber fiber = nullptr;
  Wait wait = Wait::done;
  int line = 0;
  void* value = nullptr;
  void (*combine)(void* const values[32]) = nullptr;
  uint32_t exchanges = 0;
  uint32_t copy_group = 0;
  std::vector<Copy> copies;
};

struct Warp {
  uint32_t slots[2][kWarp];
};

struct SharedArray {
  const void* tag;
  size_t bytes;
  std::unique_ptr<uint8_t[]> memory;  // red zone, array, red zone
};

class Scheduler {
 public:
  Status run(const Kernel& kernel, Dim3 grid, const void* arguments, Order order);

  void stop(Wait wait, int line) {
    Thread& t = threads_[current_];
    t.wait = wait;
    t.line = line;
    back_to_scheduler(t);
  }

  uint32_t current_ = 0;
  Dim3 block_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<SharedArray> shared_;

 private:
  static void enter();
  void resume(uint32_t thread);
  void back_to_scheduler(Thread& t);
  Status run_block();
  Status run_warp(uint32_t warp);
  Status meet(uint32_t warp, bool* again);
  Status fail_at(uint32_t thread, const std::string& what) const;
  Status check_shared() const;

  const Kernel* kernel_ = nullptr;
  const void* arguments_ = nullptr;
  std::vector<uint32_t> order_;  // of lanes in a warp
  Fiber scheduler_ = nullptr;
#if defined(ONEBIT_FIBER_ASAN)
  const void* main_stack_ = nullptr;
  size_t main_bytes_ = 0;
#endif
};

thread_local Scheduler* active = nullptr;

std::string place(const Thread& t) {
  switch (t.wait) {
    case Wait::done: return "has ended";
    case Wait::barrier: return fmt::format("waits at the barrier of line {}", t.line);
    case Wait::exchange: return fmt::format("waits at the shuffle of line {}", t.line);
    case Wait::collective: return fmt::format("waits at the warp operation of line {}", t.line);
    case Wait::nothing: break;
  }
  return "runs";
}

void Scheduler::enter() {
  Scheduler& s = *active;
#if defined(ONEBIT_FIBER_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, &s.main_stack_, &s.main_bytes_);
#endif
  s.kernel_->run(s.arguments_);
  s.threads_[s.current_].wait = Wait::done;
#if defined(ONEBIT_FIBER_ASAN)
  __sanitizer_start_switch_fiber(nullptr, s.main_stack_, s.main_bytes_);
#endif
  switch_fiber(&s.threads_[s.current_].fiber, s.scheduler_);
  __builtin_unreachable();
}

void Scheduler::resume(uint32_t thread) {
  Thread& t = threads_[thread];
  current_ = thread;
  t.wait = Wait::nothing;
#if defined(ONEBIT_FIBER_ASAN)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, t.stack.get(), kStackBytes);
#endif
  switch_fiber(&scheduler_, t.fiber);
#if defined(ONEBIT_FIBER_ASAN)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void Scheduler::back_to_scheduler(Thread& t) {
#if defined(ONEBIT_FIBER_ASAN)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, main_stack_, main_bytes_);
#endif
  switch_fiber(&t.fiber, scheduler_);
#if defined(ONEBIT_FIBER_ASAN)
  __sanitizer_finish_switch_fiber(fake, &main_stack_, &main_bytes_);
#endif
}

Status Scheduler::fail_at(uint32_t thread, const std::string& what) const {
  return fail(Errc::device, "kernel {}, block ({}, {}, {}), thread {}: {}", kernel_->name, block_.x, block_.y, block_.z,
              thread, what);
}

// What the threads of a warp wait for, all at the same place, or an error. *again: they can go on.
Status Scheduler::meet(uint32_t warp, bool* again) {
  const uint32_t first = warp * kWarp, end = std::min(first + kWarp, kernel_->block);
  const Thread& lead = threads_[first];
  for (uint32_t i = first + 1; i < end; ++i) {
    const Thread& t = threads_[i];
    const bool warp_operation = lead.wait == Wait::exchange || lead.wait == Wait::collective ||
                                t.wait == Wait::exchange || t.wait == Wait::collective;
    if (warp_operation && (t.wait != lead.wait || t.line != lead.line))
      return fail_at(i, fmt::format("{} while thread {} {}", place(t), first, place(lead)));
  }
  *again = lead.wait == Wait::exchange || lead.wait == Wait::collective;
  if (*again && end - first != kWarp)
    return fail_at(first, fmt::format("a warp operation in a warp of {} threads", end - first));
  if (lead.wait == Wait::collective) {
    void* values[kWarp];
    for (uint32_t i = 0; i < kWarp; ++i) values[i] = threads_[first + i].value;
    lead.combine(values);
  }
  return {};
}

Status Scheduler::run_warp(uint32_t warp) {
  const uint32_t first = warp * kWarp;
  bool again = true;
  while (again) {
    for (const uint32_t lane : order_)
      if (first + lane < kernel_->block && threads_[first + lane].wait != Wait::done) resume(first + lane);
    ONEBIT_TRY(meet(warp, &again));
  }
  return {};
}

Status Scheduler::check_shared() const {
  for (const auto& a : shared_)
    for (size_t i = 0; i < kRedZone; ++i)
      if (a.memory[i] != kZone || a.memory[kRedZone + a.bytes + i] != kZone)
        return fail(Errc::device, "kernel {}, block ({}, {}, {}): a write outside a shared array of {} bytes",
                    kernel_->name, block_.x, block_.y, block_.z, a.bytes);
  return {};
}

Status Scheduler::run_block() {
  for (auto& a : shared_) std::memset(a.memory.get() + kRedZone, kShared, a.bytes);
  for (uint32_t i = 0; i < kernel_->block; ++i) {
    Thread& t = threads_[i];
    t.fiber = make_fiber(t.stack.get(), kStackBytes, &Scheduler::enter);
    t.wait = Wait::nothing;
    t.exchanges = t.copy_group = 0;
    t.copies.clear();
  }
  const uint32_t warps = (kernel_->block + kWarp - 1) / kWarp;
  const bool backwards = !order_.empty() && order_[0] == kWarp - 1;
  for (;;) {
    for (uint32_t w = 0; w < warps; ++w) ONEBIT_TRY(run_warp(backwards ? warps - 1 - w : w));
    const Thread& lead = threads_[0];
    for (uint32_t i = 1; i < kernel_->block; ++i)
      if (threads_[i].wait != lead.wait || (lead.wait == Wait::barrier && threads_[i].line != lead.line))
        return fail_at(i, fmt::format("{} while thread 0 {}", place(threads_[i]), place(lead)));
    if (lead.wait == Wait::done) return check_shared();
  }
}

Status Scheduler::run(const Kernel& kernel, Dim3 grid, const void* arguments, Order order) {
  kernel_ = &kernel;
  arguments_ = arguments;
  while (threads_.size() < kernel.block) {
    threads_.emplace_back();
    threads_.back().stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
  }
  warps_.resize((kernel.block + kWarp - 1) / kWarp);
  order_.resize(kWarp);
  for (uint32_t i = 0; i < kWarp; ++i) order_[i] = order == Order::reverse ? kWarp - 1 - i : i;
  if (order == Order::shuffled) std::shuffle(order_.begin(), order_.end(), std::mt19937(kernel.block + grid.x));
  shared_.clear();
  for (block_.z = 0; block_.z < grid.z; ++block_.z)
    for (block_.y = 0; block_.y < grid.y; ++block_.y)
      for (block_.x = 0; block_.x < grid.x; ++block_.x) ONEBIT_TRY(run_block());
  return {};
}

}  // namespace

uint32_t current_thread() { return active->current_; }
const Dim3& current_block() { return active->block_; }

void barrier(int line) { active->stop(Wait::barrier, line); }

const uint32_t* exchange(uint32_t value, int line) {
  Scheduler& s = *active;
  Thread& t = s.threads_[s.current_];
  // Two sets in turn: a lane may reach its next exchange before another has read this one.
  uint32_t* const slots = s.warps_[s.current_ / kWarp].slots[t.exchanges++ % 2];
  slots[s.current_ % kWarp] = value;
  s.stop(Wait::exchange, line);
  return slots;
}

void collective(void* value, void (*combine)(void* const values[32]), int line) {
  Thread& t = active->threads_[active->current_];
  t.value = value;
  t.combine = combine;
  active->stop(Wait::collective, line);
}

void* shared_array(const void* tag, size_t bytes) {
  auto& shared = active->shared_;
  for (auto& a : shared)
    if (a.tag == tag) return a.memory.get() + kRedZone;
  shared.push_back({tag, bytes, std::make_unique_for_overwrite<uint8_t[]>(bytes + 2 * kRedZone)});
  uint8_t* const memory = shared.back().memory.get();
  std::memset(memory, kZone, bytes + 2 * kRedZone);
  std::memset(memory + kRedZone, kShared, bytes);
  return memory + kRedZone;
}

void copy_later(void* to, const void* from, size_t bytes) {
  Thread& t = active->threads_[active->current_];
  t.copies.push_back({to, from, bytes, t.copy_group});
}

void copy_commit() { ++active->threads_[active->current_].copy_group; }

void copy_wait(uint32_t pending) {
  Thread& t = active->threads_[active->current_];
  std::erase_if(t.copies, [&](const Copy& c) {
    if (c.group + pending >= t.copy_group) return false;
    std::memcpy(c.to, c.from, c.bytes);
    return true;
  });
}

Status launch(const Kernel& kernel, Dim3 grid, const void* arguments, Order order) {
  static thread_local Scheduler scheduler;
  active = &scheduler;
  const Status status = scheduler.run(kernel, grid, arguments, order);
  active = nullptr;
  return status;
}

Status launch(Matrix matrix, std::string_view kernel_name, Dim3 grid, Dim3 block, size_t shared_bytes, void** arguments,
              Order order) {
  const Kernel* const kernel = find_kernel(matrix, kernel_name);
  if (!kernel) return fail(Errc::device, "emulator: no kernel {} for {}", kernel_name, name(matrix));
  if (block.x != kernel->block || block.y != 1 || block.z != 1)
    return fail(Errc::device, "kernel {}: blocks of {} x {} x {} threads, expected {} x 1 x 1", kernel_name, block.x,
                block.y, block.z, kernel->block);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0)
    return fail(Errc::device, "kernel {}: an empty grid of {} x {} x {}", kernel_name, grid.x, grid.y, grid.z);
  if (shared_bytes != 0)
    return fail(Errc::device, "kernel {}: {} bytes of dynamic shared memory, expected 0", kernel_name, shared_bytes);
  return launch(*kernel, grid, arguments[0], order);
}

const char* name(Matrix matrix) {
  switch (matrix) {
    case Matrix::nvidia: return "nvidia";
    case Matrix::gfx11: return "gfx11";
    case Matrix::gfx12: return "gfx12";
  }
  return "?";
}

std::span<const Kernel> kernels_nvidia();
std::span<const Kernel> kernels_gfx11();
std::span<const Kernel> kernels_gfx12();

std::span<const Kernel> kernels(Matrix matrix) {
  switch (matrix) {
    case Matrix::gfx11: return kernels_gfx11();
    case Matrix::gfx12: return kernels_gfx12();
    case Matrix::nvidia: break;
  }
  return kernels_nvidia();
}

const Kernel* find_kernel(Matrix matrix, std::string_view kernel_name) {
  for (const Kernel& k : kernels(matrix))
    if (kernel_name == k.name) return &k;
  return nullptr;
}

}  // namespace onebit::gpu::emulator
