#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/file.h"
#include "corpus.h"

namespace onebit::train {
namespace {

constexpr size_t kTextLimit = size_t{1} << 30;
constexpr int kLogEvery = 20;

Result<std::string> read_ascii(const std::string& path) {
  ONEBIT_ASSIGN(std::string text, read_text(path, kTextLimit));
  ONEBIT_TRY(check_ascii(text, path));
  return text;
}

// Lines that appear in the log file at once and on stderr too.
class Log {
 public:
  explicit Log(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "w")) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() {
    if (file_) std::fclose(file_);
  }
  Status status() const { return file_ ? Status{} : fail(Errc::io, "{}: cannot be written", path_); }
  void line(const std::string& text) {
    std::fprintf(file_, "%s\n", text.c_str());
    std::fflush(file_);
    std::fprintf(stderr, "%s\n", text.c_str());
  }

 private:
  std::string path_;
  std::FILE* file_;
};

// Everything that changes from step to step.
struct Run {
  const TrainOptions& options;
  ThreadPool& pool;
  Model model;
  std::vector<Pass> passes;                     // one per thread
  std::vector<std::vector<float>> shard_gradients;
  std::vector<float> gradients;
  AdamW optimizer;

  Run(const TrainOptions& o, ThreadPool& p)
      : options(o), pool(p), model(o.config, Quantise::on), shard_gradients(o.shards, std::vector<float>(model.size())),
        gradients(model.size()), optimizer(model.size()) {
    for (unsigned i = 0; i < pool.size(); ++i)
      passes.emplace_back(o.config, static_cast<int>(o.sequences), o.config.context);
    model.init(o.seed);
  }

  struct StepResult {
    double loss, norm;
  };
  StepResult step(int64_t index, WindowSampler& sampler);
  void apply(double rate, double decay, float gradient_scale);
};

Run::StepResult Run::step(int64_t index, WindowSampler& sampler) {
  const size_t shard_tokens = static_cast<size_t>(options.sequences) * options.config.context;
  const size_t tokens = shard_tokens * options.shards;
  std::vector<int32_t> inputs(tokens), targets(tokens);
  for (size_t at = 0; at < tokens; at += options.config.context) sampler.next(&inputs[at], &targets[at]);

  std::vector<double> losses(options.shards);
  pool.parallel_for(options.shards, [&](size_t shard, unsigned worker) {
    const int32_t* input = &inputs[shard * shard_tokens];
    passes[worker].forward(model, input);
    losses[shard] = passes[worker].backward(model, input, &targets[shard * shard_tokens],
                                            1.0f / static_cast<float>(tokens), shard_gradients[shard].data());
  });
  const double norm = sum_gradients(pool, shard_gradients, gradients);
  const double decay = index < options.schedule.steps / 2 ? options.weight_decay : 0;
  apply(options.schedule.rate(index), decay, static_cast<float>(std::min(1.0, options.clip / (norm + 1e-6))));
  double loss = 0;
  for (const double l : losses) loss += l;
  return {loss / static_cast<double>(tokens), norm};
}

void Run::apply(double rate, double decay, float gradient_scale) {
  optimizer.begin_step();
  const auto& tensors = model.tensors();
  pool.parallel_for(tensors.size(), [&](size_t i, unsigned) {
    const auto& t = tensors[i];
    // Norm weights and embeddings are not pulled to zero.
    const double tensor_decay = t.kind == Tensor::linear ? decay : 0;
    optimizer.update(model.parameters.data(), gradients.data(), t.offset, t.offset + t.size(), gradient_scale,
                     static_cast<float>(rate), static_cast<float>(tensor_decay));
    if (t.kind == Tensor::linear)
      model.scales[i] = ternarise(&model.parameters[t.offset], t.size(), model.quantise(), &model.codes[t.offset]);
  });
}

struct Data {
  Bpe bpe;
  std::vector<Token> stream, heldout;
  size_t train_bytes, heldout_bytes;
};

Result<Data> load_data(const TrainOptions& o, const Checkpoint* from) {
  ONEBIT_ASSIGN(const std::string text, read_ascii(o.train_path));
  ONEBIT_ASSIGN(const std::string heldout, read_ascii(o.heldout_path));
  const Bpe bpe = from ? from->bpe : Bpe::learn(text, o.config.vocab);
  if (bpe.size() != o.config.vocab)
    return fail(Errc::out_of_range, "{}: gives a vocabulary of {} tokens, {} were wanted", o.train_path, bpe.size(),
                o.config.vocab);
  Data data{bpe, document_stream(bpe, text), bpe.encode(heldout), text.size(), heldout.size()};
  if (data.stream.size() < 2 * static_cast<size_t>(o.config.context) || data.heldout.empty())
    return fail(Errc::out_of_range, "{}, {}: {} and {} tokens are too few", o.train_path, o.heldout_path,
                data.stream.size(), data.heldout.size());
  return data;
}

// Scores the held-out text and saves the weights.
Status evaluate(const Run& run, const Data& data, int64_t step, double& best, Log& log) {
  const Score score = score_text(run.model, data.bpe, data.heldout, run.pool);
  const double loss = score.nats / static_cast<double>(score.tokens);
  const double bits = score.nats / std::log(2.0) / static_cast<double>(data.heldout_bytes);
  log.line(fmt::format("step {} heldout {:.4f} perplexity {:.3f} bits/byte {:.4f}{}", step, loss, std::exp(loss), bits,
                       loss < best ? " *" : ""));
  ONEBIT_TRY(save_checkpoint(run.options.out + ".last", data.bpe, run.model));
  if (loss >= best) return {};
  best = loss;
  return save_checkpoint(run.options.out + ".best", data.bpe, run.model);
}

}  // namespace

Status train(const TrainOptions& options, const Checkpoint* from, ThreadPool& pool) {
  using Clock = std::chrono::steady_clock;
  ONEBIT_ASSIGN(const Data data, load_data(options, from));
  Log log(options.out + ".log");
  ONEBIT_TRY(log.status());
  Run run(options, pool);
  if (from) {
    run.model.parameters = from->model.parameters;
    run.model.update_codes();
  }
  const int64_t step_tokens = options.shards * options.sequences * options.config.context;
  log.line(fmt::format("# {} parameters; corpus {} bytes, {} tokens; held-out {} bytes, {} tokens; {} tokens a step",
                       run.model.size(), data.train_bytes, data.stream.size(), data.heldout_bytes, data.heldout.size(),
                       step_tokens));
  WindowSampler sampler(data.stream, data.bpe.bos(), options.config.context, options.seed + 1);
  const auto start = Clock::now();
  const int64_t end = options.stop > 0 ? std::min(options.stop, options.schedule.steps) : options.schedule.steps;
  double best = INFINITY, recent = 0;
  for (int64_t step = 0; step < end; ++step) {
    const auto result = run.step(step, sampler);
    if (!std::isfinite(result.loss) || !std::isfinite(result.norm))
      return fail(Errc::out_of_range, "step {}: the loss is {}, the gradient norm {}", step, result.loss, result.norm);
    recent = step == 0 ? result.loss : 0.95 * recent + 0.05 * result.loss;
    const int64_t done = step + 1;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (done % kLogEvery == 0)
      log.line(fmt::format("step {} loss {:.4f} mean {:.4f} norm {:.3f} rate {:.2e} seconds {:.0f} tokens/s {:.0f}",
                           done, result.loss, recent, result.norm, options.schedule.rate(step), seconds,
                           static_cast<double>(done * step_tokens) / seconds));
    if (done % options.eval_every == 0 || done == end) ONEBIT_TRY(evaluate(run, data, done, best, log));
  }
  return {};
}

Score score_text(const Model& model, const Bpe& bpe, const std::vector<Token>& text, ThreadPool& pool) {
  const int context = model.config().context;
  const size_t stride = static_cast<size_t>(context) - 1;
  const size_t windows = (text.size() + stride - 1) / stride;
  std::vector<Pass> passes;
  passes.reserve(pool.size());
  for (unsigned i = 0; i < pool.size(); ++i) passes.emplace_back(model.config(), 1, context);
  std::vector<double> nats(windows);
  pool.parallel_for(windows, [&](size_t window, unsigned worker) {
    const size_t first = window * stride, count = std::min(stride, text.size() - first);
    // Behind a short last window comes padding; attention is causal, so it changes nothing.
    std::vector<int32_t> input(context, bpe.eos()), target(context, -1);
    input[0] = bpe.bos();
    std::copy_n(&text[first], count, &input[1]);
    std::copy_n(&text[first], count, &target[0]);
    passes[worker].forward(model, input.data());
    nats[window] = passes[worker].loss(target.data());
  });
  Score score{0, static_cast<int64_t>(text.size())};
  for (const double n : nats) score.nats += n;
  return score;
}

std::string continue_text(const Checkpoint& checkpoint, const std::string& prompt, int count, double temperature,
                          uint64_t seed) {
  const auto& [bpe, model] = checkpoint;
  const int context = model.config().context, vocab = model.config().vocab;
  std::vector<Token> tokens = bpe.encode(prompt);
  tokens.insert(tokens.begin(), bpe.bos());
  Random random(seed);
  Pass pass(model.config(), 1, context);
  std::vector<int32_t> input(context, bpe.eos());
  std::vector<double> weight(vocab);
  for (int i = 0; i < count && tokens.size() < static_cast<size_t>(context); ++i) {
    std::copy(tokens.begin(), tokens.end(), input.begin());
    pass.forward(model, input.data());
    const float* logits = pass.logits() + (tokens.size() - 1) * vocab;
    Token next = static_cast<Token>(std::max_element(logits, logits + vocab) - logits);
    if (temperature > 0) {
      const double max = logits[next];
      double sum = 0;
      for (int t = 0; t < vocab; ++t) sum += weight[t] = std::exp((logits[t] - max) / temperature);
      double left = random.uniform() * sum;
      for (next = 0; next < vocab - 1 && left >= weight[next]; ++next) left -= weight[next];
    }
    if (next == bpe.eos()) break;
    tokens.push_back(next);
  }
  return bpe.decode(tokens);
}

}  // namespace onebit::train
