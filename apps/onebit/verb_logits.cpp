// onebit logits: for each position of given ids, the most likely next ids with log-probabilities.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include <nlohmann/json.hpp>

#include "model_flags.h"

namespace onebit::cli {
namespace {

Result<std::vector<Token>> parse_ids(const std::string& text) {
  std::vector<Token> ids;
  const char* p = text.data();
  const char* end = p + text.size();
  for (;;) {
    while (p != end && (*p == ' ' || *p == ',' || *p == '\n' || *p == '\t')) ++p;
    if (p == end) return ids;
    Token id = 0;
    const auto [rest, bad] = std::from_chars(p, end, id);
    if (bad != std::errc{}) return fail(Errc::usage, "--ids: '{}' is not a token id", std::string(p, std::min(end, p + 12)));
    ids.push_back(id);
    p = rest;
  }
}

Status logits(std::span<const char* const> args) {
  ModelFlags model;
  std::string id_text;
  int64_t top = 10;
  bool json = false;
  Flags flags("onebit logits", "the most likely next tokens after each of the given ids",
              "onebit logits -m model.gguf --ids \"1 2 3\" --top 5 --json");
  model.add_to(flags);
  flags.text("--ids", "\"1 2 ..\"", "token ids, separated by spaces or commas", &id_text);
  flags.integer("--top", "how many for each position", &top, 1, 1 << 24);
  flags.toggle("--json", "an array with one object per position", &json);
  flags.toggle("--quiet", "no progress bar", &model.quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  ONEBIT_ASSIGN(const std::vector<Token> ids, parse_ids(id_text));
  if (ids.empty()) return fail(Errc::usage, "--ids: no ids given");

  ONEBIT_ASSIGN(const auto engine, model.load());
  ONEBIT_ASSIGN(Session session, Session::create(*engine, model.session()));
  const ModelConfig& c = engine->model().config();
  std::vector<float> hidden(ids.size() * c.dim), row(c.vocab);
  ONEBIT_TRY(session.feed_all(ids, hidden.data()));

  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  std::vector<uint32_t> order(c.vocab);
  const size_t k = std::min<size_t>(static_cast<size_t>(top), c.vocab);
  for (size_t i = 0; i < ids.size(); ++i) {
    engine->model().head().logits(engine->compute(), hidden.data() + i * c.dim, 1, row.data());
    const double log_sum = log_sum_exp(row);
    if (!std::isfinite(log_sum)) return fail(Errc::format, "{}: logits of position {} are not finite", model.model, i);
    std::iota(order.begin(), order.end(), 0u);
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(k), order.end(),
                      [&](uint32_t a, uint32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    nlohmann::ordered_json best = nlohmann::ordered_json::array();
    for (size_t j = 0; j < k; ++j)
      best.push_back({{"id", order[j]}, {"logprob", static_cast<double>(row[order[j]]) - log_sum}});
    if (json) {
      out.push_back({{"position", i}, {"id", ids[i]}, {"top", std::move(best)}});
      continue;
    }
    fmt::print("{} {}:", i, ids[i]);
    for (const auto& b : best) fmt::print(" {} {:.4f}", b["id"].get<uint32_t>(), b["logprob"].get<double>());
    fmt::print("\n");
  }
  if (json) fmt::print("{}\n", out.dump());
  return model.finish(*engine);
}

}  // namespace

const Verb logits_verb{"logits", "the most likely next tokens after each of the given ids", logits};

}  // namespace onebit::cli
