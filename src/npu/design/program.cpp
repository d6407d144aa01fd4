#include "npu/design/program.h"

#include <algorithm>

namespace onebit::npu::design {

std::vector<End> ends(const std::vector<TileId>& tiles) { return {tiles.begin(), tiles.end()}; }

void Body::acquire(Fifo fifo, unsigned count) { steps_.push_back({AcquireElements{fifo, count}}); }
void Body::release(Fifo fifo, unsigned count) { steps_.push_back({ReleaseElements{fifo, count}}); }
void Body::wait(Signal signal) { steps_.push_back({WaitSignal{signal}}); }
void Body::call(std::string kernel, std::vector<Argument> arguments) {
  steps_.push_back({CallKernel{std::move(kernel), std::move(arguments)}});
}
void Body::loop(Count count, const std::function<void()>& body) { nest(false, count, body); }
void Body::forever(const std::function<void()>& body) { nest(true, 0, body); }

void Body::nest(bool forever, Count count, const std::function<void()>& body) {
  std::vector<Step> outer = std::move(steps_);
  steps_.clear();
  body();
  outer.push_back({Repeat{forever, count, std::move(steps_)}});
  steps_ = std::move(outer);
}

Fifo Program::fifo(std::string name, End from, std::vector<End> to, Type type, FifoOptions options) {
  fifos_.push_back({std::move(name), std::move(from), std::move(to), std::move(type), options});
  return {static_cast<uint32_t>(fifos_.size() - 1)};
}

void Program::forward(Fifo in, Fifo out) { links_.push_back({LinkSpec::Kind::forward, {in}, {out}, {}}); }
void Program::split(Fifo in, std::vector<Fifo> outs, std::vector<uint64_t> offsets) {
  links_.push_back({LinkSpec::Kind::split, {in}, std::move(outs), std::move(offsets)});
}
void Program::join(std::vector<Fifo> ins, Fifo out, std::vector<uint64_t> offsets) {
  links_.push_back({LinkSpec::Kind::join, std::move(ins), {out}, std::move(offsets)});
}
void Program::feed(Buffer buffer, Fifo fifo) { feeds_.push_back({buffer, fifo}); }
Store Program::store(Fifo in, Fifo out, uint32_t bytes, uint32_t slots) {
  links_.push_back({LinkSpec::Kind::forward, {in}, {out}, {}, slots, bytes});
  return {store_count_++};
}

Buffer Program::buffer(TileId tile, std::string name, Type type, std::vector<uint8_t> initial) {
  buffers_.push_back({std::move(name), tile, std::move(type), std::move(initial)});
  return {static_cast<uint32_t>(buffers_.size() - 1)};
}
Parameter Program::parameter(TileId core, std::string name, int32_t initial) {
  parameters_.push_back({std::move(name), core, initial});
  return {static_cast<uint32_t>(parameters_.size() - 1)};
}
Signal Program::signal(TileId core, std::string name) {
  signals_.push_back({std::move(name), core});
  return {static_cast<uint32_t>(signals_.size() - 1)};
}

void Program::run(TileId core, const std::function<void(Body&)>& steps) {
  Body body;
  steps(body);
  const auto known = std::find_if(cores_.begin(), cores_.end(), [core](const CoreSpec& c) { return c.tile == core && c.steps.empty(); });
  if (known != cores_.end())
    known->steps = body.take();
  else
    cores_.push_back({core, body.take(), {}});
}

void Program::code(TileId core, std::vector<Segment> segments) {
  const auto known = std::find_if(cores_.begin(), cores_.end(), [core](const CoreSpec& c) { return c.tile == core; });
  if (known != cores_.end())
    known->code = std::move(segments);
  else
    cores_.push_back({core, {}, std::move(segments)});
}

}  // namespace onebit::npu::design
