#include "text/vocab.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "text/hash.h"

namespace onebit {
namespace {

constexpr size_t kMaxTokens = size_t{1} << 24;
constexpr size_t kMaxTextBytes = size_t{1} << 30;

Status check_length(const char* name, size_t length, size_t tokens) {
  if (length == 0 || length == tokens) return {};
  return fail(Errc::format, "tokenizer.ggml.{}: {} entries, expected one for each of the {} tokens", name, length,
              tokens);
}

Result<TokenType> checked_type(int32_t value, size_t id) {
  if (value < 0 || value > static_cast<int32_t>(TokenType::byte))
    return fail(Errc::out_of_range, "tokenizer.ggml.token_type[{}]: {}, expected 0 to 6", id, value);
  return static_cast<TokenType>(value);
}

}  // namespace

int byte_token_value(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Result<Vocab> Vocab::build(const TokenizerConfig& config) {
  const size_t n = config.tokens.size();
  if (n == 0 || n > kMaxTokens)
    return fail(Errc::out_of_range, "tokenizer.ggml.tokens: {} tokens, expected 1 to {}", n, kMaxTokens);
  ONEBIT_TRY(check_length("scores", config.scores.size(), n));
  ONEBIT_TRY(check_length("token_type", config.types.size(), n));

  Vocab v;
  size_t bytes = 0;
  for (const auto& t : config.tokens) bytes += t.size();
  if (bytes > kMaxTextBytes)
    return fail(Errc::out_of_range, "tokenizer.ggml.tokens: {} bytes of text, expected at most {}", bytes, kMaxTextBytes);
  v.block_.reserve(bytes);
  v.begins_.reserve(n + 1);
  v.types_.reserve(n);
  v.begins_.push_back(0);
  for (size_t i = 0; i < n; ++i) {
    v.block_ += config.tokens[i];
    v.begins_.push_back(static_cast<uint32_t>(v.block_.size()));
    v.longest_ = std::max(v.longest_, config.tokens[i].size());
    TokenType type = TokenType::normal;
    if (!config.types.empty()) {
      ONEBIT_ASSIGN(type, checked_type(config.types[i], i));
    }
    v.types_.push_back(type);
  }
  for (size_t i = 0; i < config.scores.size(); ++i)
    if (!std::isfinite(config.scores[i]))
      return fail(Errc::out_of_range, "tokenizer.ggml.scores[{}]: {}, expected a finite number", i, config.scores[i]);
  v.scores_.assign(config.scores.begin(), config.scores.end());

  v.slots_.resize(std::bit_ceil(n * 2));
  const size_t mask = v.slots_.size() - 1;
  for (size_t i = 0; i < n; ++i) {
    const Token id = static_cast<Token>(i);
    const std::string_view text = v.text(id);
    if (text.empty()) continue;
    const uint64_t h = hash_text(hash_seed(), text);
    const uint32_t tag = static_cast<uint32_t>(h >> 32);
    size_t at = h & mask;
    for (; v.slots_[at].id >= 0; at = (at + 1) & mask)
      if (v.slots_[at].tag == tag && v.text(v.slots_[at].id) == text)
        return fail(Errc::format, "tokenizer.ggml.tokens: '{}' is token {} and token {}, expected different texts", text,
                    v.slots_[at].id, id);
    v.slots_[at] = {tag, id};
  }
  return v;
}

Token Vocab::find(std::string_view text) const {
  if (text.empty() || text.size() > longest_) return -1;
  const uint64_t h = hash_text(hash_seed(), text);
  const uint32_t tag = static_cast<uint32_t>(h >> 32);
  const size_t mask = slots_.size() - 1;
  for (size_t at = h & mask; slots_[at].id >= 0; at = (at + 1) & mask)
    if (slots_[at].tag == tag && this->text(slots_[at].id) == text) return slots_[at].id;
  return -1;
}

}  // namespace onebit
