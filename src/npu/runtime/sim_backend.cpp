#include "npu/runtime/sim_backend.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include "npu/kernels/registry.h"

namespace onebit::npu {
namespace {

std::unexpected<NpuFailure> failure(const char* call, std::string text, int error = 0) {
  NpuFailure f;
  f.call = call;
  f.text = std::move(text);
  f.error = error;
  f.simulated = true;
  return std::unexpected(std::move(f));
}

using Memory = std::vector<uint8_t>;

class SimBuffer : public BackendBuffer {
 public:
  explicit SimBuffer(size_t bytes) : host_(bytes, kPoison), array_(std::make_shared<Memory>(bytes, kPoison)) {}
  std::span<uint8_t> host() override { return host_; }
  BackendStatus sync(SyncDirection direction, size_t offset, size_t bytes) override {
    uint8_t* const array = array_->data();
    if (direction == SyncDirection::to_device)
      std::memcpy(array + offset, host_.data() + offset, bytes);
    else
      std::memcpy(host_.data() + offset, array + offset, bytes);
    return {};
  }
  const std::shared_ptr<Memory>& array() const { return array_; }

 private:
  Memory host_;
  std::shared_ptr<Memory> array_;
};

struct Command {
  std::shared_ptr<Memory> stream;
  uint32_t stream_bytes;
  std::vector<std::shared_ptr<Memory>> arguments;
};

struct Job {
  std::vector<Command> commands;
  bool done = false;
  std::optional<NpuFailure> failure{};
};

class SimBackend;

class SimRun : public BackendRun {
 public:
  SimRun(SimBackend& backend, std::shared_ptr<Job> job) : backend_(backend), job_(std::move(job)) {}
  BackendStatus wait(std::chrono::milliseconds) override;

 private:
  SimBackend& backend_;
  std::shared_ptr<Job> job_;
};

class SimBackend : public NpuBackend {
 public:
  SimBackend(const Device& device, const SimOptions& options) : device_(device), options_(options) {
    if (options_.kernels.empty()) options_.kernels = builtin_kernels();
  }
  ~SimBackend() override { SimBackend::close_context(); }

  std::string description() const override { return std::string("array simulator (") + device_.name + ")"; }
  bool needs_machine_code() const override { return false; }

  BackendStatus open_context(std::span<const uint8_t> xclbin, const std::string&) override {
    auto opened = Simulator::open(device_, xclbin, options_);
    if (!opened) return failure("simulator: configuration", opened.error().message);
    simulator_.emplace(std::move(*opened));
    stop_ = broken_ = false;
    worker_ = std::thread([this] { work(); });
    return {};
  }

  void close_context() noexcept override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (worker_.joinable()) worker_.join();
    jobs_.clear();
    simulator_.reset();
  }

  BackendResult<std::unique_ptr<BackendBuffer>> allocate(size_t bytes, BufferUse, unsigned) override {
    try {
      return std::make_unique<SimBuffer>(bytes);
    } catch (const std::bad_alloc&) {
      return failure("simulator: buffer", std::to_string(bytes) + " bytes, out of memory", ENOMEM);
    }
  }
  BackendStatus restore(BackendBuffer&) override { return {}; }

  BackendResult<std::unique_ptr<BackendRun>> start(std::span<const BackendCommand> commands) override {
    auto job = std::make_shared<Job>();
    for (const BackendCommand& c : commands) {
      Command& copy = job->commands.emplace_back(Command{static_cast<SimBuffer*>(c.instructions)->array(), c.stream_bytes, {}});
      for (BackendBuffer* argument : c.arguments) copy.arguments.push_back(static_cast<SimBuffer*>(argument)->array());
    }
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(job);
    }
    changed_.notify_all();
    return std::make_unique<SimRun>(*this, std::move(job));
  }

  SimTotals simulated() const override {
    const std::lock_guard lock(mutex_);
    return totals_;
  }

  BackendStatus wait(Job& job) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return job.done; });
    if (job.failure) return std::unexpected(*job.failure);
    return {};
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (stop_) return;
      const std::shared_ptr<Job> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      auto status = guarded(*job);
      lock.lock();
      if (!status) job->failure = std::move(status.error()), broken_ = true;
      job->done = true;
      changed_.notify_all();
    }
  }

  BackendStatus guarded(const Job& job) {
    try {
      return execute(job);
    } catch (const std::bad_alloc&) {
      return failure("simulator: run", "out of memory", ENOMEM);
    }
  }

  BackendStatus execute(const Job& job) {
    if (broken_) return failure("simulator: run", "not run, because a run before it failed");
    for (const Command& c : job.commands) {
      std::vector<std::span<uint8_t>> buffers;
      for (const auto& argument : c.arguments) buffers.emplace_back(*argument);
      const auto report = simulator_->run(Bytes(*c.stream).first(c.stream_bytes), buffers);
      if (!report) return failure("simulator: run", report.error().message);
      if (!report->still_active.empty()) return failure("simulator: run", report->still_active[0] + " still runs after the last wait of the stream");
      const std::lock_guard lock(mutex_);
      totals_.ddr_read_bytes += report->ddr_read_bytes;
      totals_.ddr_write_bytes += report->ddr_write_bytes;
      totals_.kernel_calls += report->kernel_calls;
      totals_.cycles += report->cycles;
      totals_.seconds += report->seconds;
    }
    return {};
  }

  const Device& device_;
  SimOptions options_;
  std::optional<Simulator> simulator_;  // the worker's while it lives
  bool broken_ = false;                 // the worker's too
  mutable std::mutex mutex_;            // jobs, their results, totals, stop
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> jobs_;
  bool stop_ = false;
  SimTotals totals_;
  std::thread worker_;
};

BackendStatus SimRun::wait(std::chrono::milliseconds) { return backend_.wait(*job_); }

}  // namespace

std::unique_ptr<NpuBackend> make_sim_backend(const Device& device, const SimOptions& options) {
  return std::make_unique<SimBackend>(device, options);
}

}  // namespace onebit::npu
