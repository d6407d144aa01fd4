#include "engine/scheduler.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>

#include "engine/lost_device.h"

namespace onebit {
namespace {

using Clock = Request::Clock;

// Steps in which a prompt may be passed over in favour of shorter ones.
constexpr uint32_t kPatience = 4;
constexpr uint32_t kMostParallel = 256;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

// Tokens that both begin with.
size_t common_prefix(std::span<const Token> a, std::span<const Token> b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace

struct Scheduler::Job {
  explicit Job(Request &&r) : request(std::move(r)) {}

  uint64_t id = 0;
  Request request;
  Clock::time_point submitted = Clock::now();
  std::atomic<bool> cancelled{false};
};

struct Scheduler::Slot {
  Slot(const ModelConfig& config, cpu::KvType type, uint32_t context) : kv(config, type, context) {}

  KvCache kv;
  std::vector<Token> tokens;  // that kv holds
  uint64_t used = 0;          // when, for choosing the one to overwrite

  std::shared_ptr<Job> job;   // null: free
  std::optional<Sampler> sampler;
  std::vector<double> pooled; // of an embedding
  Token next = -1;            // to be evaluated, once the prompt is read
  bool reading = false;
  uint32_t planned = 0;       // tokens of the step
  uint32_t skipped = 0;       // steps in which its prompt had no share
  RequestStats stats;
  Clock::time_point admitted, read;

  Request& request() const { return job->request; }
  size_t left() const { return request().prompt.size() - tokens.size(); }
};

Result<std::unique_ptr<Scheduler>> Scheduler::create(Engine& engine, const SchedulerOptions& options) {
  const uint32_t most = engine.model().config().context;
  if (options.context > most)
    return fail(Errc::out_of_range, "context of {} tokens asked for, the model has at most {}", options.context, most);
  if (options.parallel < 1 || options.parallel > kMostParallel)
    return fail(Errc::out_of_range, "{} texts at once asked for, expected 1 to {}", options.parallel, kMostParallel);
  if (options.chunk < 1) return fail(Errc::out_of_range, "prompt pieces of 0 tokens asked for, expected at least 1");
  std::unique_ptr<Scheduler> s(new Scheduler(engine, options, options.context ? options.context : most));
  s->thread_ = std::thread([scheduler = s.get()] { scheduler->run(); });
  return s;
}

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options, uint32_t context)
    : engine_(engine), options_(options), context_(context), states_(options.parallel) {
  for (uint32_t i = 0; i < options.parallel; ++i)
    slots_.push_back(std::make_unique<Slot>(engine.model().config(), options.kv, context));
}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = draining_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Status Scheduler::check(const Request& r) const {
  if (r.prompt.empty()) return fail(Errc::out_of_range, "the prompt has no tokens, expected at least 1");
  // An answer needs one position more than the prompt.
  const size_t most = r.embedding ? context_ : context_ - 1;
  if (r.prompt.size() > most)
    return fail(Errc::out_of_range, "the prompt has {} tokens, the context of {} has room for {}", r.prompt.size(), context_, most);
  const uint32_t vocab = engine_.model().config().vocab;
  for (const Token t : r.prompt)
    if (t < 0 || static_cast<uint32_t>(t) >= vocab) return fail(Errc::out_of_range, "token id {} is outside the vocabulary of {}", t, vocab);
  return onebit::check(r.sampling);
}

std::expected<std::vector<uint64_t>, Refusal> Scheduler::submit(std::vector<Request> requests) {
  std::vector<std::shared_ptr<Job>> jobs;
  for (Request& r : requests) {
    if (auto status = check(r); !status) return std::unexpected(Refusal{false, std::move(status).error()});
    jobs.push_back(std::make_shared<Job>(std::move(r)));
  }
  std::vector<uint64_t> ids;
  {
    const std::lock_guard lock(mutex_);
    const size_t free_slots = options_.parallel - std::min<size_t>(options_.parallel, live_.size());
    if (draining_ || queue_.size() + jobs.size() > options_.queue + free_slots) {
      counters_.refused += jobs.size();
      const auto busy = [](std::string why) { return std::unexpected(Refusal{true, Error{Errc::cancelled, std::move(why)}}); };
      if (draining_) return busy("the server is shutting down");
      return busy(fmt::format("{} requests are running and {} waiting, the queue holds {}", live_.size(), queue_.size(), options_.queue));
    }
    for (auto& job : jobs) {
      job->id = next_id_++;
      ids.push_back(job->id);
      queue_.push_back(std::move(job));
    }
    counters_.accepted += ids.size();
  }
  wake_.notify_one();
  return ids;
}

void Scheduler::cancel(uint64_t id) {
  const std::lock_guard lock(mutex_);
  for (const auto& job : live_)
    if (job->id == id) job->cancelled = true;
  for (const auto& job : queue_)
    if (job->id == id) job->cancelled = true;
}

void Scheduler::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& job : live_) job->cancelled = true;
  for (const auto& job : queue_) job->cancelled = true;
}

bool Scheduler::drain(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  return idle_.wait_until(lock, until, [&] { return queue_.empty() && live_.empty(); });
}

std::vector<SlotState> Scheduler::slots() const {
  const std::lock_guard lock(mutex_);
  return states_;
}

SchedulerCounters Scheduler::counters() const {
  const std::lock_guard lock(mutex_);
  SchedulerCounters c = counters_;
  c.active = static_cast<uint32_t>(live_.size());
  c.waiting = static_cast<uint32_t>(queue_.size());
  return c;
}

PlacementReport Scheduler::placement() const {
  const std::lock_guard lock(engine_mutex_);
  return engine_.placement().report();
}

void Scheduler::run() {
  std::vector<std::shared_ptr<Job>> ended;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || !queue_.empty() || !live_.empty(); });
      if (stop_ && queue_.empty() && live_.empty()) return;
      sweep(ended);
    }
    for (auto& job : ended) {
      RequestStats stats;
      stats.prompt_tokens = static_cast<uint32_t>(job->request.prompt.size());
      stats.queued_s = seconds(Clock::now() - job->submitted);
      job->request.on_end({job->cancelled ? Ending::cancelled : Ending::timed_out, stats});
    }
    ended.clear();
    admit();
    publish();  // a slot that a cancelled text has left is free now, not after the step
    step();
    publish();
  }
}

// Takes requests that were cancelled or whose time is over out of the queue and out of their slots.
void Scheduler::sweep(std::vector<std::shared_ptr<Job>>& ended) {
  const auto now = Clock::now();
  const auto over = [&](const std::shared_ptr<Job>& job) {
    if (stop_) job->cancelled = true;
    return job->cancelled || job->request.deadline <= now;
  };
  for (auto it = queue_.begin(); it != queue_.end();) {
    if (!over(*it)) {
      ++it;
      continue;
    }
    ++counters_.endings[static_cast<size_t>((*it)->cancelled ? Ending::cancelled : Ending::timed_out)];
    ended.push_back(std::move(*it));
    it = queue_.erase(it);
  }
  for (const auto& job : live_) (void)over(job);
  if (queue_.empty() && live_.empty()) idle_.notify_all();
}

void Scheduler::admit() {
  const auto now = Clock::now();
  for (auto& slot : slots_) {
    if (!slot->job) continue;
    if (slot->job->cancelled)
      finish(*slot, Ending::cancelled);
    else if (slot->request().deadline <= now)
      finish(*slot, Ending::timed_out);
  }
  for (;;) {
    std::shared_ptr<Job> job;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty() || live_.size() >= options_.parallel) return;
      job = queue_.front();
      queue_.pop_front();
      live_.push_back(job);
    }
    Slot& slot = *slot_for(*job);
    const Request& r = job->request;
    // The last token of the prompt is always evaluated: its hidden state decides what follows. An embedding needs all.
    const size_t kept = options_.prefix_cache && !r.embedding ? std::min(common_prefix(slot.tokens, r.prompt), r.prompt.size() - 1) : 0;
    slot.tokens.resize(kept);
    slot.kv.length = static_cast<uint32_t>(kept);
    slot.sampler.emplace(r.sampling);
    for (const Token t : r.prompt) slot.sampler->accept(t);
    slot.pooled.assign(r.embedding ? engine_.model().config().dim : 0, 0.0);
    slot.reading = true;
    slot.skipped = 0;
    slot.admitted = now;
    slot.stats = {};
    slot.stats.prompt_tokens = static_cast<uint32_t>(r.prompt.size());
    slot.stats.cached_tokens = static_cast<uint32_t>(kept);
    slot.stats.queued_s = seconds(now - job->submitted);
    slot.job = std::move(job);
  }
}

// A free slot: the one that holds most of the prompt, unless that would throw away a much longer text for little;
// else the one that was not used for the longest time.
Scheduler::Slot* Scheduler::slot_for(const Job& job) {
  const std::vector<Token>& prompt = job.request.prompt;
  Slot *best = nullptr, *oldest = nullptr;
  size_t longest = 0;
  for (auto& slot : slots_) {
    if (slot->job) continue;
    if (!oldest || slot->used < oldest->used) oldest = slot.get();
    const size_t common = common_prefix(slot->tokens, prompt);
    if (common > longest && (2 * common >= slot->tokens.size() || 2 * common >= prompt.size())) {
      best = slot.get();
      longest = common;
    }
  }
  return best ? best : oldest;
}

// The tokens of the next step: one of each text in generation, then up to `chunk` of prompts, the shortest first.
void Scheduler::plan() {
  batch_.clear();
  std::vector<Slot*> readers;
  for (auto& slot : slots_) {
    slot->planned = 0;
    if (!slot->job) continue;
    if (slot->reading) {
      readers.push_back(slot.get());
      continue;
    }
    slot->planned = 1;
    batch_.push_back({slot->next, &slot->kv, true});
  }
  std::stable_sort(readers.begin(), readers.end(), [](const Slot* a, const Slot* b) {
    const bool late_a = a->skipped >= kPatience, late_b = b->skipped >= kPatience;
    return late_a != late_b ? late_a : a->left() < b->left();
  });
  size_t budget = options_.chunk;
  bool whole = false;  // a prompt will have been read: its first token does not wait for a piece of a longer one
  for (Slot* slot : readers) {
    size_t n = std::min(budget, slot->left());
    if (whole && n < slot->left() && slot->skipped < kPatience) n = 0;
    whole = whole || (n > 0 && n == slot->left());
    slot->skipped = n ? 0 : slot->skipped + 1;
    slot->planned = static_cast<uint32_t>(n);
    budget -= n;
    for (size_t i = 0; i < n; ++i) {
      const size_t at = slot->tokens.size() + i;
      batch_.push_back({slot->request().prompt[at], &slot->kv, slot->request().embedding || at + 1 == slot->request().prompt.size()});
    }
  }
}

Status Scheduler::evaluate(std::span<const BatchToken> batch, bool prompt) {
  const size_t wanted = static_cast<size_t>(std::count_if(batch.begin(), batch.end(), [](const BatchToken& b) { return b.wanted; }));
  const size_t floats = wanted * engine_.model().config().dim;
  try {
    if (hidden_.size() < floats) hidden_.resize(floats);
    engine_.placement().enter(prompt ? Phase::prefill : Phase::decode);
    Status done = engine_.model().forward(batch, activations_, engine_.compute(), hidden_.data());
    const bool touched_device = engine_.model().device() || std::any_of(slots_.begin(), slots_.end(), [](const auto& s) { return s->kv.device != nullptr; });
    if (done || !touched_device || !engine_.placement().leave_gpu(done.error())) return done;
    for (auto& slot : slots_) ONEBIT_TRY(evaluate_again(engine_, slot->kv, activations_, slot->tokens, options_.chunk));
    engine_.placement().enter(prompt ? Phase::prefill : Phase::decode);
    return engine_.model().forward(batch, activations_, engine_.compute(), hidden_.data());
  } catch (const std::bad_alloc&) {
    return fail(Errc::out_of_memory, "a step of {} tokens: out of memory", batch.size());
  }
}

void Scheduler::step() {
  const std::lock_guard lock(engine_mutex_);
  plan();
  if (batch_.empty()) return;
  const auto start = Clock::now();
  const size_t tokens = batch_.size();
  const bool prompt = std::any_of(slots_.begin(), slots_.end(), [](const auto& s) { return s->reading && s->planned > 0; });
  if (evaluate(batch_, prompt))
    advance();
  else
    evaluate_alone();
  const double busy = seconds(Clock::now() - start);
  const std::lock_guard count(mutex_);
  ++counters_.steps;
  counters_.batch_tokens += tokens;
  counters_.busy_s += busy;
}

// After a step that failed: each text for itself, so that the one at fault does not take the others with it.
void Scheduler::evaluate_alone() {
  std::vector<uint32_t> planned;
  for (auto& slot : slots_) planned.push_back(std::exchange(slot->planned, 0));
  const std::vector<BatchToken> all = batch_;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[i];
    if (!slot.job || planned[i] == 0) continue;
    batch_.clear();
    for (const BatchToken& b : all)
      if (b.kv == &slot.kv) batch_.push_back(b);
    slot.planned = planned[i];
    if (auto status = evaluate(batch_, slot.reading))
      advance();
    else
      finish(slot, Ending::failed, std::move(status).error());
    slot.planned = 0;
  }
}

// Appends what was evaluated to its texts, and lets those whose last token was evaluated choose the next.
void Scheduler::advance() {
  const uint32_t dim = engine_.model().config().dim, vocab = engine_.model().head().vocab();
  struct Choice {
    Slot* slot;
    const float* hidden;
    KnownLogits known;
  };
  std::vector<Choice> choices;
  // Choices that need all logits, and those that need a few: the rows of the head are read once for all of a kind.
  struct Group {
    std::vector<size_t> choices;
    std::vector<float> hidden;  // [choices][dim]
  };
  Group all, few;
  const float* row = hidden_.data();
  for (const BatchToken* b = batch_.data(); b < batch_.data() + batch_.size();) {
    Slot& slot = **std::find_if(slots_.begin(), slots_.end(), [&](const auto& s) { return &s->kv == b->kv; });
    const uint32_t n = slot.planned;
    for (uint32_t i = 0; i < n; ++i) slot.tokens.push_back(b[i].token);
    b += n;
    if (slot.request().embedding) {
      for (uint32_t i = 0; i < n; ++i, row += dim)
        for (uint32_t d = 0; d < dim; ++d) slot.pooled[d] += static_cast<double>(row[d]);
      if (slot.left() == 0) finish(slot, Ending::end_of_text);
      continue;
    }
    if (slot.reading && slot.left() > 0) continue;
    const bool every = slot.request().top_logprobs >= 0 || slot.sampler->wants() == 0;
    Group& group = every ? all : few;
    group.choices.push_back(choices.size());
    group.hidden.insert(group.hidden.end(), row, row + dim);
    choices.push_back({&slot, row, {}});
    row += dim;
  }
  auto& head = engine_.model().head();
  logits_.resize(all.choices.size() * vocab);
  if (!all.choices.empty()) head.logits(engine_.compute(), all.hidden.data(), static_cast<uint32_t>(all.choices.size()), logits_.data());
  for (size_t i = 0; i < all.choices.size(); ++i) choices[all.choices[i]].known.all = {logits_.data() + i * vocab, vocab};
  std::vector<uint32_t> wanted;
  for (const size_t i : few.choices) wanted.push_back(choices[i].slot->sampler->wants());
  tops_.resize(std::max(tops_.size(), wanted.size()));
  if (!wanted.empty() && head.top_each(engine_.compute(), few.hidden.data(), wanted, tops_))  // without memory for it, one by one
    for (size_t i = 0; i < wanted.size(); ++i) choices[few.choices[i]].known.best = tops_[i];
  for (const Choice& c : choices) take(*c.slot, c.hidden, c.known);
}

// Chooses the next token of a text and passes it on.
void Scheduler::take(Slot& slot, const float* hidden, const KnownLogits& known) {
  Request& r = slot.request();
  const auto now = Clock::now();
  if (slot.reading) {
    slot.reading = false;
    slot.read = now;
  }
  if (r.limit == 0 || slot.kv.length == context_) return finish(slot, Ending::length);
  auto& head = engine_.model().head();
  const uint32_t vocab = head.vocab();
  Constraint* const constraint = r.constraint ? &*r.constraint : nullptr;
  Result<Token> token = slot.sampler->choose(head, engine_.compute(), hidden, constraint, known);
  if (!token) return finish(slot, Ending::failed, std::move(token).error());
  slot.sampler->accept(*token);
  if (engine_.tokenizer().is_end(*token) && !r.ignore_end) return finish(slot, Ending::end_of_text);
  if (constraint)
    if (auto status = constraint->accept(*token); !status) return finish(slot, Ending::failed, std::move(status).error());

  Generated out{*token, 0, {}};
  if (r.top_logprobs >= 0) {
    const std::span<const float> logits = known.all;
    const double total = log_sum_exp(logits);
    const auto chance = [&](Token t) {
      return TokenChance{t, static_cast<float>(static_cast<double>(logits[static_cast<size_t>(t)]) - total)};
    };
    out.logprob = chance(*token).logprob;
    chances_.clear();
    for (uint32_t i = 0; i < vocab && r.top_logprobs > 0; ++i) chances_.push_back({static_cast<Token>(i), logits[i]});
    const size_t top = std::min<size_t>(static_cast<size_t>(r.top_logprobs), chances_.size());
    std::partial_sort(chances_.begin(), chances_.begin() + static_cast<std::ptrdiff_t>(top), chances_.end(),
                      [](const TokenChance& a, const TokenChance& b) { return a.logprob != b.logprob ? a.logprob > b.logprob : a.token < b.token; });
    chances_.resize(top);
    for (TokenChance& c : chances_) c = chance(c.token);
    out.top = chances_;
  }
  slot.next = *token;
  ++slot.stats.generated_tokens;
  if (r.on_token && !r.on_token(out)) return finish(slot, Ending::stopped);
  if (constraint && constraint->finished()) return finish(slot, Ending::end_of_text);
  if ((r.limit >= 0 && slot.stats.generated_tokens >= r.limit) || slot.kv.length + 1 >= context_) finish(slot, Ending::length);
}

void Scheduler::finish(Slot& slot, Ending ending, Error error) {
  const auto now = Clock::now();
  RequestEnd end{ending, slot.stats, std::move(error)};
  const Clock::time_point read = slot.reading ? now : slot.read;
  end.stats.prompt_s = seconds(read - slot.admitted);
  end.stats.decode_s = seconds(now - read);
  if (slot.request().embedding && ending == Ending::end_of_text)
    for (const double sum : slot.pooled) end.embedding.push_back(static_cast<float>(sum / static_cast<double>(slot.tokens.size())));
  const std::shared_ptr<Job> job = std::move(slot.job);
  slot.job = nullptr;
  slot.sampler.reset();
  slot.reading = false;
  slot.used = ++clock_;
  {
    const std::lock_guard lock(mutex_);
    std::erase(live_, job);
    ++counters_.endings[static_cast<size_t>(ending)];
    counters_.prompt_tokens += end.stats.prompt_tokens;
    counters_.cached_tokens += end.stats.cached_tokens;
    counters_.generated_tokens += end.stats.generated_tokens;
    SlotState& state = states_[static_cast<size_t>(std::find_if(slots_.begin(), slots_.end(), [&](const auto& s) { return s.get() == &slot; }) - slots_.begin())];
    state.busy = state.reading = false;
  }
  job->request.on_end(std::move(end));
}

void Scheduler::publish() {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& s = *slots_[i];
    SlotState& state = states_[i];
    if (s.job) state = {true, s.reading, s.job->id, s.stats.prompt_tokens, s.stats.cached_tokens, s.stats.generated_tokens, 0};
    state.busy = s.job != nullptr;
    state.reading = s.reading;
    state.positions = s.kv.length;
  }
  if (queue_.empty() && live_.empty()) idle_.notify_all();
}

}  // namespace onebit
