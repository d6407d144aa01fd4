// onebit perplexity: how well a model predicts a text, and how far two models' predictions are apart.
//
// The text is cut into windows of `-c` tokens that do not overlap, each beginning with BOS when the model
// has one (the BOS takes one of the positions); every token of the text is scored given those before it in
// its window. Perplexity is exp of the mean negative log-probability of the scored tokens. Without a BOS
// the first token of each window is not scored. A last window of any length counts.
#include <algorithm>
#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "kl_file.h"
#include "model_flags.h"

namespace onebit::cli {
namespace {

struct Totals {
  size_t scored = 0;
  double nll = 0, nll_squares = 0;
  double kl = 0, kl_max = 0;
  size_t same_top = 0;
};

struct Window {
  std::vector<Token> input;     // what the model reads
  std::vector<Token> expected;  // expected[i] follows input[first + i]
  size_t first;
};

std::vector<Window> cut(std::span<const Token> text, Token bos, uint32_t context) {
  std::vector<Window> windows;
  const size_t room = bos >= 0 ? context - 1 : context;
  for (size_t at = 0; at < text.size(); at += room) {
    const auto part = text.subspan(at, std::min(room, text.size() - at));
    Window w{{}, {}, 0};
    if (bos >= 0) w.input.push_back(bos);
    w.input.insert(w.input.end(), part.begin(), part.end());
    w.expected.assign(w.input.begin() + 1, w.input.end());
    w.input.pop_back();
    if (!w.expected.empty()) windows.push_back(std::move(w));
  }
  return windows;
}

class Scorer {
 public:
  Scorer(Engine& engine, std::optional<KlWriter>& writer, std::optional<KlReader>& reader)
      : engine_(engine), writer_(writer), reader_(reader) {}

  // logits: [n][vocab], turned into log-probabilities in place.
  Status score(float* logits, std::span<const Token> expected) {
    const uint32_t vocab = engine_.model().config().vocab;
    for (size_t i = 0; i < expected.size(); ++i) {
      const std::span row(logits + i * vocab, vocab);
      const double sum = log_sum_exp(row);
      if (!std::isfinite(sum)) return fail(Errc::format, "logits of scored token {} are not finite", totals.scored);
      for (float& l : row) l = static_cast<float>(static_cast<double>(l) - sum);
      const double nll = -static_cast<double>(row[static_cast<size_t>(expected[i])]);
      totals.nll += nll;
      totals.nll_squares += nll * nll;
      if (writer_) ONEBIT_TRY(writer_->write(row));
      if (reader_) compare(reader_->row(totals.scored), row);
      ++totals.scored;
    }
    return {};
  }

  Totals totals;

 private:
  // KL(base || this), in nats.
  void compare(const float* base, std::span<const float> row) {
    double kl = 0;
    for (size_t i = 0; i < row.size(); ++i)
      kl += std::exp(static_cast<double>(base[i])) * (static_cast<double>(base[i]) - static_cast<double>(row[i]));
    totals.kl += kl;
    totals.kl_max = std::max(totals.kl_max, kl);
    const auto top = std::max_element(row.begin(), row.end()) - row.begin();
    totals.same_top += top == std::max_element(base, base + row.size()) - base;
  }

  Engine& engine_;
  std::optional<KlWriter>& writer_;
  std::optional<KlReader>& reader_;
};

Status score_window(Session& session, const Window& w, Scorer& scorer, std::vector<float>& hidden, std::vector<float>& logits) {
  constexpr size_t kBlock = 32;  // rows of logits held at once
  Engine& engine = session.engine();
  const ModelConfig& c = engine.model().config();
  hidden.resize(w.input.size() * c.dim);
  logits.resize(kBlock * c.vocab);
  session.truncate(0);
  ONEBIT_TRY(session.feed_all(w.input, hidden.data()));
  for (size_t at = 0; at < w.expected.size(); at += kBlock) {
    const size_t n = std::min(kBlock, w.expected.size() - at);
    engine.model().head().logits(engine.compute(), hidden.data() + at * c.dim, static_cast<uint32_t>(n), logits.data());
    ONEBIT_TRY(scorer.score(logits.data(), std::span(w.expected).subspan(at, n)));
  }
  return {};
}

void report(const Totals& t, size_t text_bytes, bool json, bool with_kl) {
  const double n = static_cast<double>(t.scored);
  const double mean = t.nll / n;
  const double error = std::sqrt(std::max(0.0, t.nll_squares / n - mean * mean) / n);
  nlohmann::ordered_json out = {
      {"perplexity", std::exp(mean)}, {"perplexity_error", std::exp(mean) * error}, {"scored_tokens", t.scored},
      {"bits_per_byte", t.nll / std::log(2.0) / static_cast<double>(text_bytes)}};
  if (with_kl) {
    out["kl_mean"] = t.kl / n;
    out["kl_max"] = t.kl_max;
    out["same_top"] = static_cast<double>(t.same_top) / n;
  }
  if (json) {
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print("perplexity {:.4f} +- {:.4f} over {} tokens, {:.4f} bits per byte\n", std::exp(mean), std::exp(mean) * error,
             t.scored, out["bits_per_byte"].get<double>());
  if (with_kl)
    fmt::print("KL divergence from the base: mean {:.3e}, largest {:.3e}; same most likely token {:.2f} %\n", t.kl / n,
               t.kl_max, 100 * static_cast<double>(t.same_top) / n);
}

Status perplexity(std::span<const char* const> args) {
  ModelFlags model;
  model.context = 512;
  PromptFlags text_flags;
  std::string kl_base, kl;
  bool json = false;
  Flags flags("onebit perplexity", "how well a model predicts a text",
              "onebit perplexity -m model.gguf -f text.txt --kl-base base.kl");
  model.add_to(flags);
  text_flags.add_to(flags);
  flags.text("--kl-base", "FILE", "save every log-probability to compare with (4 bytes x vocabulary x tokens)", &kl_base);
  flags.text("--kl", "FILE", "report the KL divergence from a saved base", &kl);
  flags.toggle("--json", "one JSON object", &json);
  flags.toggle("--quiet", "no progress bar", &model.quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  ONEBIT_ASSIGN(const std::string text, text_flags.read(flags));
  if (text.empty()) return fail(Errc::usage, "a text is needed: -f or -p");

  ONEBIT_ASSIGN(const auto engine, model.load());
  const Tokenizer& tokenizer = engine->tokenizer();
  const ModelConfig& c = engine->model().config();
  SessionOptions options = model.session();
  options.context = options.context == 0 ? c.context : std::min(options.context, c.context);
  if (options.context < 2) return fail(Errc::usage, "-c: {} is too short, expected at least 2", options.context);
  ONEBIT_ASSIGN(Session session, Session::create(*engine, options));
  ONEBIT_ASSIGN(const std::vector<Token> ids, tokenizer.encode(text, {.add_special = false, .parse_special = false}));
  const Token bos = tokenizer.add_bos() ? tokenizer.bos() : -1;
  const std::vector<Window> windows = cut(ids, bos, options.context);
  size_t positions = 0;
  for (const auto& w : windows) positions += w.expected.size();
  if (positions == 0) return fail(Errc::usage, "the text has no token to score");

  std::optional<KlWriter> writer;
  std::optional<KlReader> reader;
  if (!kl_base.empty()) {
    ONEBIT_ASSIGN(writer, KlWriter::create(kl_base, c.vocab, options.context, ids));
  }
  if (!kl.empty()) {
    ONEBIT_ASSIGN(reader, KlReader::open(kl, c.vocab, options.context, ids, positions));
  }

  Scorer scorer(*engine, writer, reader);
  std::vector<float> hidden, logits;
  Progress bar("scoring", !model.quiet);
  for (const auto& w : windows) {
    ONEBIT_TRY(score_window(session, w, scorer, hidden, logits));
    bar.update(static_cast<double>(scorer.totals.scored) / static_cast<double>(positions));
  }
  if (writer) ONEBIT_TRY(writer->finish());
  report(scorer.totals, text.size(), json, reader.has_value());
  return model.finish(*engine);
}

}  // namespace

const Verb perplexity_verb{"perplexity", "how well a model predicts a text", perplexity};

}  // namespace onebit::cli
