#include "npu/sim/scheduler.h"

#include <algorithm>

namespace onebit::npu {
namespace {

constexpr auto kLater = [](const auto& a, const auto& b) {
  return a.first.first != b.first.first ? a.first.first > b.first.first : a.second > b.second;
};

}  // namespace

void Scheduler::wake(Actor* actor) {
  if (!actor || actor->queued_) return;
  actor->queued_ = true;
  if (!timed_) return ready_.push_back(actor);
  heap_.push_back({{actor->clock, actor}, serial_++});
  std::push_heap(heap_.begin(), heap_.end(), kLater);
}

Actor* Scheduler::pop() {
  Actor* actor = nullptr;
  if (!timed_) {
    if (ready_.empty()) return nullptr;
    actor = ready_.front();
    ready_.pop_front();
  } else {
    if (heap_.empty()) return nullptr;
    std::pop_heap(heap_.begin(), heap_.end(), kLater);
    actor = heap_.back().first.second;
    heap_.pop_back();
  }
  actor->queued_ = false;
  return actor;
}

Result<bool> Scheduler::run(const std::function<bool()>& done) {
  while (!done()) {
    Actor* actor = pop();
    if (!actor) return false;
    ONEBIT_TRY(spend(1, *actor));
    ONEBIT_TRY(actor->step());
  }
  return true;
}

Status Scheduler::spend(uint64_t units, const Actor& who) {
  if (units > budget_)
    return fail(Errc::out_of_range, "the simulation was stopped after {} steps, the limit; {} was running{}{}", max_steps_, who.name(),
                who.activity().empty() ? "" : ": ", who.activity());
  budget_ -= units;
  return {};
}

}  // namespace onebit::npu
