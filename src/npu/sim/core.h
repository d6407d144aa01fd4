// What a core tile runs. The core is an actor over its tile's memory and locks and those of its neighbours; what it
// does is a behaviour, so that one which executes program memory can join behind the same interface.
#pragma once

#include <memory>
#include <string>

#include "npu/image/core_program.h"
#include "npu/sim/scheduler.h"

namespace onebit::npu {

class Array;
class Core;
struct Tile;
struct LockRef;

class CoreBehaviour {
 public:
  virtual ~CoreBehaviour() = default;
  // As Actor::step. Sets core.waiting, or core.done when the program has ended.
  virtual Status step(Core& core) = 0;
  // Whether it may release this lock later.
  virtual bool releases(const Core& core, const Tile& tile, unsigned lock) const = 0;
};

class Core : public Actor {
 public:
  Core(Array& array, Tile& tile) : array(array), tile(tile) {}

  Status step() override;
  std::string name() const override;
  Wait wait() const override { return waiting; }

  // Back to the start, with nothing loaded: the reset bit of CORE_CONTROL was set.
  void reset();
  // Reads program memory.
  Status load();
  void start_stub();
  bool loaded() const { return behaviour_ != nullptr; }
  void set_enabled(bool enabled) { enabled_ = enabled; }
  bool enabled() const { return enabled_; }
  bool releases(const Tile& owner, unsigned lock) const { return behaviour_ && !done && behaviour_->releases(*this, owner, lock); }

  // A lock or memory in the core's view.
  Result<LockRef> lock(unsigned view) const;
  Result<uint8_t*> memory(uint32_t address, uint32_t bytes) const;

  Array& array;
  Tile& tile;
  Wait waiting;
  bool done = false;

 private:
  Result<Tile*> neighbour(unsigned window, const char* what) const;  // 0 south, 1 west, 2 north, 3 own
  std::unique_ptr<CoreBehaviour> behaviour_;
  bool enabled_ = false;
};

std::unique_ptr<CoreBehaviour> make_record_core(CoreProgram program);
std::unique_ptr<CoreBehaviour> make_stub_core();

}  // namespace onebit::npu
