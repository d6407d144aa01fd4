#include "npu/design/sequence.h"

#include <algorithm>

#include "npu/design/access.h"

namespace onebit::npu::design {
namespace {

constexpr size_t kMostTasks = 4096;  // of one move
constexpr uint64_t kMostOffset = uint64_t{1} << 40;

// A region cut to what shim descriptors hold: the loops of one descriptor, the one that its iteration
// counter runs, and those that become tasks of their own (innermost first).
struct Cut {
  Walk inner;
  WordDim iteration{};
  std::vector<WordDim> outer;
  uint64_t repeat = 1;
};

Result<Cut> cut_region(Pattern region, Element element) {
  Cut cut;
  if (!region.dims.empty() && region.dims[0].stride == 0) {
    cut.repeat = region.dims[0].size;
    region.dims.erase(region.dims.begin());
  }
  if (cut.repeat == 0 || region.dims.empty()) return fail(Errc::out_of_range, "the region is empty");
  ONEBIT_ASSIGN(const Walk walk, to_words(region, element, 0));
  const WalkLimits limits = walk_limits(TileKind::shim);
  ONEBIT_ASSIGN(const std::vector<WordDim> dims, fit_wraps(walk.dims, limits));
  for (const WordDim& d : dims)
    if (d.step == 0) return fail(Errc::out_of_range, "pattern: a stride is 0, expected that of the outermost loop only");
  cut.inner.offset = walk.offset;
  size_t i = 0;
  for (; i < dims.size() && i < limits.dims && dims[i].step <= limits.step; ++i) cut.inner.dims.push_back(dims[i]);
  if (cut.inner.words() > limits.length) return fail(Errc::out_of_range, "descriptor length: {} words used, {} available", cut.inner.words(), limits.length);
  if (i < dims.size() && cut.repeat == 1 && dims[i].step <= limits.step) cut.iteration = dims[i++];
  if (i == 0 && !dims.empty()) return fail(Errc::out_of_range, "pattern: the innermost step is {} words, expected at most {}", dims[0].step, limits.step);
  for (; i < dims.size(); ++i) cut.outer.push_back(dims[i]);
  return cut;
}

// The word offsets of all combinations of the loops, the last one slowest.
Result<std::vector<uint64_t>> offsets_of(const std::vector<WordDim>& loops) {
  std::vector<uint64_t> offsets{0};
  for (const WordDim& d : loops) {
    if (d.size > kMostTasks / offsets.size()) return fail(Errc::out_of_range, "the region needs more than {} tasks", kMostTasks);
    const std::vector<uint64_t> inside = offsets;
    for (uint64_t n = 1; n < d.size; ++n)
      for (const uint64_t o : inside) offsets.push_back(o + n * d.step);
  }
  return offsets;
}

// The descriptor of `runs` executions of the inner walk.
Result<std::vector<uint32_t>> shim_words(const Walk& inner, uint64_t runs, uint64_t step) {
  BufferDescriptor bd;
  ONEBIT_TRY(set_walk(TileKind::shim, inner, bd));
  if (runs > 1) {
    bd.iteration_wrap = static_cast<uint32_t>(runs);
    bd.iteration_step = static_cast<uint32_t>(step);
  }
  bd.burst = kAxiBurst;
  bd.cache = kAxiCache;
  bd.qos = kAxiQos;
  return encode_bd(TileKind::shim, bd);
}

}  // namespace

void Sequence::fail_once(Error error) {
  if (errors_.empty()) errors_.push_back(std::move(error));
}

const ShimEnd* Sequence::find(Fifo fifo) {
  const auto& fifos = lowered_->program.fifos();
  if (fifo.index >= fifos.size()) {
    fail_once({Errc::out_of_range, fmt::format("sequence: unknown fifo {}, the program has {}", fifo.index, fifos.size())});
    return nullptr;
  }
  for (const ShimEnd& e : lowered_->shim_ends)
    if (e.fifo == fifo.index) return &e;
  fail_once({Errc::out_of_range, fmt::format("sequence: fifo '{}' has no end in a shim", fifos[fifo.index].name)});
  return nullptr;
}

Result<std::vector<Sequence::Task>> Sequence::cut_tasks(Fifo fifo, unsigned argument, const Pattern& region) {
  const FifoSpec& spec = lowered_->program.fifos()[fifo.index];
  if (argument >= kMaxBufferArguments)
    return fail(Errc::out_of_range, "buffer argument is {}, expected 0 to {}", argument, kMaxBufferArguments - 1);
  if (region.offset > kMostOffset) return fail(Errc::out_of_range, "offset is {}, expected at most 2^40", region.offset);
  ONEBIT_ASSIGN(const Cut cut, cut_region(region, spec.type.element));
  ONEBIT_ASSIGN(const std::vector<uint64_t> offsets, offsets_of(cut.outer));
  const uint64_t bytes = cut.inner.words() * 4;
  std::vector<Task> tasks;
  const auto add = [&](uint64_t word_offset, uint64_t runs, uint64_t step) -> Status {
    if (tasks.size() == kMostTasks) return fail(Errc::out_of_range, "the region needs more than {} tasks", kMostTasks);
    ONEBIT_ASSIGN(std::vector<uint32_t> words, shim_words({0, cut.inner.dims}, step ? runs : 1, step));
    tasks.push_back({std::move(words), argument, (cut.inner.offset + word_offset) * 4, static_cast<uint32_t>(runs), bytes * runs});
    return {};
  };
  const bool single = cut.outer.empty();  // repeats stay in the task queue
  for (uint64_t pass = 0; pass < (single ? 1 : cut.repeat); ++pass)
    for (const uint64_t outer : offsets) {
      for (uint64_t done = 0; done < cut.iteration.size; done += kMaxIterationWrap) {
        const uint64_t runs = std::min<uint64_t>(cut.iteration.size - done, kMaxIterationWrap);
        if (cut.iteration.size > 1) ONEBIT_TRY(add(outer + done * cut.iteration.step, runs, cut.iteration.step));
      }
      if (cut.iteration.size > 1) continue;
      for (uint64_t left = single ? cut.repeat : 1; left > 0; left -= std::min<uint64_t>(left, kMaxRepeat))
        ONEBIT_TRY(add(outer, std::min<uint64_t>(left, kMaxRepeat), 0));
    }
  return tasks;
}

Sequence& Sequence::move(Fifo fifo, unsigned argument, Pattern region) {
  const ShimEnd* end = find(fifo);
  if (!end || !errors_.empty()) return *this;
  auto tasks = cut_tasks(fifo, argument, region);
  if (!tasks) {
    tasks.error().message = fmt::format("sequence: fifo '{}': {}", lowered_->program.fifos()[fifo.index].name, tasks.error().message);
    fail_once(std::move(tasks).error());
    return *this;
  }
  Channel& channel = channels_[{end->tile, {end->direction, end->channel}}];
  for (Task& t : *tasks) {
    channel.total += t.bytes;
    moved_[fifo.index] += t.bytes;
    channel.pending.push_back(std::move(t));
  }
  return *this;
}

Sequence& Sequence::set(Parameter parameter, int32_t value) {
  if (parameter.index >= lowered_->parameters.size()) {
    fail_once({Errc::out_of_range, fmt::format("sequence: unknown parameter {}, the program has {}", parameter.index, lowered_->parameters.size())});
    return *this;
  }
  const PlacedParameter& p = lowered_->parameters[parameter.index];
  ops_.push_back({TxnWrite{address_of(p.tile, p.address), static_cast<uint32_t>(value)}});
  return *this;
}

Sequence& Sequence::raise(Signal signal) {
  if (signal.index >= lowered_->signals.size()) {
    fail_once({Errc::out_of_range, fmt::format("sequence: unknown signal {}, the program has {}", signal.index, lowered_->signals.size())});
    return *this;
  }
  const PlacedLock& l = lowered_->signals[signal.index];
  ops_.push_back({TxnWrite{address_of(l.tile, lowered_->program.device().tile(l.tile).locks.offset(l.id)), 1}});
  return *this;
}

Sequence& Sequence::add(TxnOp operation) {
  ops_.push_back(std::move(operation));
  return *this;
}

// Issues everything pending. The channel that lags behind in its share goes next, so that no channel waits
// for one whose data the array needs at the same time.
void Sequence::flush() {
  const auto share = [](const Channel& c) { return static_cast<double>(c.issued) / static_cast<double>(c.total); };
  while (true) {
    auto choice = channels_.end();
    for (auto it = channels_.begin(); it != channels_.end(); ++it) {
      if (it->second.next == it->second.pending.size()) continue;
      if (choice == channels_.end() || share(it->second) < share(choice->second)) choice = it;
    }
    if (choice == channels_.end()) break;
    if (choice->second.queued.size() == kTaskQueueDepth) wait_oldest(choice->first, choice->second);
    issue(choice->first, choice->second);
  }
  for (auto& [key, channel] : channels_) {
    channel.pending.clear();
    channel.next = 0;
    channel.issued = channel.total = 0;
  }
}

void Sequence::issue(const ChannelKey& key, Channel& channel) {
  const auto& [tile, port] = key;
  const auto& [direction, number] = port;
  const DmaModel& dma = lowered_->program.device().tile(TileKind::shim).dma;
  Task& task = channel.pending[channel.next++];
  channel.issued += task.bytes;
  uint32_t& busy = busy_bds_[tile];
  unsigned bd = 0;  // four channels with four tasks each: one of the 16 is free
  while (busy >> bd & 1) ++bd;
  busy |= 1u << bd;
  const uint32_t at = address_of(tile, dma.bd_offset(bd));
  if (!channel.controlled) ops_.push_back({TxnMaskWrite{address_of(tile, dma.control_offset(direction, number)), kTokenControllerId << 8, 0x1F00}});
  channel.controlled = true;
  ops_.push_back({TxnBlockWrite{at, std::move(task.words)}});
  ops_.push_back({TxnDdrPatch{at + 4, task.argument, task.byte_offset}});
  channel.queued.emplace_back(ops_.size(), bd);
  ops_.push_back({TxnWrite{address_of(tile, dma.queue_offset(direction, number)), bd | (task.repeat - 1) << 16}});
}

// Only tasks that are waited for issue a token, so that none is left over for the next run.
void Sequence::wait_task(const ChannelKey& key, const QueuedTask& task) {
  const auto& [tile, port] = key;
  std::get<TxnWrite>(ops_[task.first].body).value |= kQueueToken;
  ops_.push_back({TxnSync{tile.column, tile.row, port.first, port.second, 1, 1}});
}

void Sequence::wait_oldest(const ChannelKey& key, Channel& channel) {
  wait_task(key, channel.queued.front());
  busy_bds_[key.first] &= ~(1u << channel.queued.front().second);
  channel.queued.erase(channel.queued.begin());
}

// Tasks of a channel end in order: the last one's token tells of all.
void Sequence::drain(const ChannelKey& key, Channel& channel) {
  if (channel.queued.empty()) return;
  wait_task(key, channel.queued.back());
  for (const QueuedTask& t : channel.queued) busy_bds_[key.first] &= ~(1u << t.second);
  channel.queued.clear();
}

Sequence& Sequence::wait(Fifo fifo) {
  const ShimEnd* end = find(fifo);
  if (!end) return *this;
  flush();
  const ChannelKey key{end->tile, {end->direction, end->channel}};
  drain(key, channels_[key]);
  return *this;
}

Sequence& Sequence::wait() {
  flush();
  for (auto& [key, channel] : channels_) drain(key, channel);
  return *this;
}

Result<Transaction> Sequence::finish(bool compact) {
  wait();
  if (!errors_.empty()) return std::unexpected(errors_[0]);
  for (const ShimEnd& e : lowered_->shim_ends) {
    const auto at = moved_.find(e.fifo);
    if (at != moved_.end() && at->second % e.object_bytes)
      return fail(Errc::out_of_range, "sequence: fifo '{}': {} bytes moved in this run, expected a multiple of {}, one element of the other end",
                  lowered_->program.fifos()[e.fifo].name, at->second, e.object_bytes);
  }
  Transaction t = make_transaction(lowered_->program.device(), compact);
  t.ops = std::move(ops_);
  return t;
}

}  // namespace onebit::npu::design
