// Runs a core program read from program memory: lock operations, and calls of host kernels by name.
#include <algorithm>

#include "npu/sim/array.h"
#include "npu/sim/trace.h"

namespace onebit::npu {
namespace {

// Steps between two turns of the scheduler.
constexpr unsigned kTurn = 256;
// What a kernel call costs of the step budget: it touches at most the tile's memory.
constexpr uint64_t kCallSteps = 64;

class RecordCore : public CoreBehaviour {
 public:
  explicit RecordCore(CoreProgram program) : program_(std::move(program)), cursors_(program_.rings.size(), 0) {
    frames_.push_back({&program_.steps, 0, 1});
  }

  Status step(Core& core) override {
    for (unsigned i = 0; i < kTurn; ++i) {
      ONEBIT_TRY(core.array.scheduler.spend(1, core));
      if (!unwind()) {
        core.done = true;
        return {};
      }
      Frame& frame = frames_.back();
      const CoreStep& step = (*frame.steps)[frame.at];
      ONEBIT_ASSIGN(const bool went, std::visit([&](const auto& body) { return run(core, body); }, step.body));
      if (!went) return {};
    }
    core.array.scheduler.wake(&core);
    return {};
  }

  bool releases(const Core& core, const Tile& tile, unsigned lock) const override { return releases(core, program_.steps, tile, lock); }

 private:
  struct Frame {
    const std::vector<CoreStep>* steps;
    size_t at;
    int64_t left;  // runs of the steps, this one included; negative: for ever
  };

  // To the next step there is; false at the end of the program.
  bool unwind() {
    while (!frames_.empty() && frames_.back().at == frames_.back().steps->size()) {
      Frame& f = frames_.back();
      if (f.left > 0) --f.left;
      if (!f.steps->empty() && f.left != 0) {
        f.at = 0;
        return true;
      }
      frames_.pop_back();
      if (!frames_.empty()) ++frames_.back().at;
    }
    return !frames_.empty();
  }

  Result<int32_t> value(Core& core, const CoreValue& v) const {
    if (!v.parameter) return v.number;
    ONEBIT_ASSIGN(const uint8_t* p, core.memory(v.address, 4));
    return static_cast<int32_t>(load_u32(p));
  }

  Result<bool> run(Core& core, const StepAcquire& s) {
    ONEBIT_ASSIGN(const LockRef ref, core.lock(s.lock));
    ONEBIT_ASSIGN(const bool taken, core.array.acquire(ref, s.value, s.equal, core));
    if (!taken) {
      core.waiting = {Wait::For::lock, ref.tile->id, ref.id, s.value, s.equal, nullptr};
      return false;
    }
    if (core.array.options.timed) core.clock += core.array.options.timing.core_lock_cycles;
    ++frames_.back().at;
    return true;
  }

  Result<bool> run(Core& core, const StepRelease& s) {
    ONEBIT_ASSIGN(const LockRef ref, core.lock(s.lock));
    if (core.array.options.timed) core.clock += core.array.options.timing.core_lock_cycles;
    ONEBIT_TRY(core.array.release(ref, s.value, core));
    ++frames_.back().at;
    return true;
  }

  Result<bool> run(Core&, const StepAdvance& s) {
    cursors_[s.ring] = (cursors_[s.ring] + s.by) % program_.rings[s.ring].addresses.size();
    ++frames_.back().at;
    return true;
  }

  Result<bool> run(Core& core, const StepLoop& s) {
    ONEBIT_ASSIGN(const int32_t count, value(core, s.count));
    if (count < 0 && s.body.empty()) return false;  // spins: nothing will come of it
    if (count == 0 || s.body.empty()) {
      ++frames_.back().at;
      return true;
    }
    frames_.push_back({&s.body, 0, count});
    return true;
  }

  Result<bool> run(Core& core, const StepCall& s) {
    const std::string& name = program_.kernels[s.kernel];
    const auto kernels = core.array.options.kernels;
    const auto kernel = std::find_if(kernels.begin(), kernels.end(), [&](const HostKernel& k) { return k.name == name; });
    if (kernel == kernels.end())
      return fail(Errc::unsupported, "calls kernel '{}', which has no host build here; there are: {}", name, bound_names(kernels));
    std::vector<KernelArg> args;
    for (const CoreArgument& a : s.arguments) {
      ONEBIT_ASSIGN(const KernelArg arg, std::visit([&](const auto& body) { return argument(core, body); }, a));
      args.push_back(arg);
    }
    if (auto ok = kernel->check(args); !ok) return with_context(std::move(ok).error(), "kernel " + name);
    ONEBIT_TRY(core.array.scheduler.spend(kCallSteps, core));
    kernel->invoke(args);
    ++core.array.report.kernel_calls;
    if (core.array.options.timed) {
      const double start = core.clock;
      core.clock += static_cast<double>(kernel->cycles(args));
      if (Trace* trace = core.array.options.trace) trace->slice(core.name(), name, start, core.clock);
    }
    ++frames_.back().at;
    return true;
  }

  Result<KernelArg> argument(Core& core, const CoreValue& v) const {
    ONEBIT_ASSIGN(const int32_t scalar, value(core, v));
    return KernelArg{nullptr, 0, scalar};
  }
  Result<KernelArg> argument(Core& core, const ArgBuffer& b) const {
    ONEBIT_ASSIGN(uint8_t * data, core.memory(b.address, b.bytes));
    return KernelArg{data, b.bytes, 0};
  }
  Result<KernelArg> argument(Core& core, const ArgRing& r) const {
    const CoreRing& ring = program_.rings[r.ring];
    const uint32_t address = ring.addresses[(cursors_[r.ring] + r.ahead) % ring.addresses.size()];
    ONEBIT_ASSIGN(uint8_t * data, core.memory(address, ring.bytes));
    return KernelArg{data, ring.bytes, 0};
  }

  static std::string bound_names(std::span<const HostKernel> kernels) {
    std::string names;
    for (const HostKernel& k : kernels) names += fmt::format("{}{}", names.empty() ? "" : ", ", k.name);
    return names.empty() ? "none" : names;
  }

  static bool releases(const Core& core, const std::vector<CoreStep>& steps, const Tile& tile, unsigned lock) {
    return std::any_of(steps.begin(), steps.end(), [&](const CoreStep& s) {
      if (const auto* loop = std::get_if<StepLoop>(&s.body)) return releases(core, loop->body, tile, lock);
      const auto* release = std::get_if<StepRelease>(&s.body);
      if (!release) return false;
      const auto ref = core.lock(release->lock);
      return ref && ref->tile == &tile && ref->id == lock;
    });
  }

  CoreProgram program_;
  std::vector<size_t> cursors_;  // by ring
  std::vector<Frame> frames_;
};

}  // namespace

std::unique_ptr<CoreBehaviour> make_record_core(CoreProgram program) { return std::make_unique<RecordCore>(std::move(program)); }

}  // namespace onebit::npu
