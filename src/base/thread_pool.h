// A small pool for work that is split many times per token: the caller takes part, workers spin for
// a few tens of microseconds between regions and then sleep, so that an idle process uses no CPU.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace onebit {

class ThreadPool {
 public:
  // `threads` counts the calling thread: 1 makes no worker. 0 means one per CPU this process may use.
  explicit ThreadPool(unsigned threads = 0);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  unsigned size() const { return static_cast<unsigned>(workers_.size()) + 1; }

  // Calls fn(index, worker) once for every index in [0, count); worker < size() names the thread, for
  // scratch memory. Indices are handed out in order, one at a time, to whichever thread is free: what
  // fn computes must not depend on the worker. Returns when all are done. Not reentrant; one caller at
  // a time. fn must not throw.
  template <class F>
  void parallel_for(size_t count, F&& fn) {
    using Fn = std::remove_reference_t<F>;
    run(count, [](void* context, size_t index, unsigned worker) { (*static_cast<Fn*>(context))(index, worker); },
        const_cast<std::remove_const_t<Fn>*>(&fn));
  }

  // CPUs that the affinity mask of this process allows.
  static unsigned available_cpus();

 private:
  using Call = void (*)(void* context, size_t index, unsigned worker);

  void run(size_t count, Call call, void* context);
  void work(unsigned worker);
  void loop(unsigned worker);

  // The job; written by the caller before epoch_ moves, read by workers after.
  Call call_ = nullptr;
  void* context_ = nullptr;
  size_t count_ = 0;

  alignas(64) std::atomic<size_t> next_{0};
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<uint32_t> busy_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace onebit
