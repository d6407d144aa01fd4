#include "text/tokenizer.h"

#include <algorithm>
#include <new>

#include "text/pretokenizer.h"
#include "text/segmenter.h"
#include "text/special.h"
#include "text/vocab.h"

namespace onebit {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;
// The automaton that finds special tokens takes some 60 bytes for each byte of their texts; real
// vocabularies have a few kilobytes of them.
constexpr size_t kMaxSpecialBytes = size_t{1} << 24;

// Texts after which generation stops, in whatever model they occur (llama.cpp detects the same; files
// often name only one of theirs in the metadata).
constexpr std::string_view kEndTexts[] = {
    "<|eot_id|>",        "<|eom_id|>",   "<|end_of_text|>",  "<|endoftext|>",        "<|im_end|>",
    "<|end|>",           "</s>",         "<end_of_turn>",    "<eos>",                "<EOT>",
    "_<EOT>",            "[EOT]",        "[EOS]",            "<end_of_utterance>",   "<|return|>",
    "<|call|>",          "<|fim_pad|>",  "<fim-pad>",        "<fim_pad>",            "<|fim_repo|>",
    "<|repo_name|>",     "<fim-repo>",   "<|file_sep|>",     "<｜end▁of▁sentence｜>",
};

Status check_id(const char* key, std::optional<uint64_t> id, size_t tokens) {
  if (!id || *id < tokens) return {};
  return fail(Errc::out_of_range, "tokenizer.ggml.{}: {}, expected a token id below {}", key, *id, tokens);
}

// Reads an array of the metadata without copying it; a missing key is an empty array.
template <class T>
Result<std::span<const T>> array_of(const Gguf& gguf, const char* key) {
  const GgufValue* value = gguf.find_key(key);
  if (!value) return std::span<const T>{};
  if (const auto* array = std::get_if<GgufArray<T>>(value)) return std::span<const T>(*array);
  return fail(Errc::format, "{}: {}: not an array of the expected type", gguf.path(), key);
}

Result<std::optional<uint64_t>> optional_id(const Gguf& gguf, const char* key) {
  if (!gguf.find_key(key)) return std::optional<uint64_t>{};
  ONEBIT_ASSIGN(const uint64_t id, gguf.get_uint(key, 0, UINT32_MAX));
  return std::optional<uint64_t>(id);
}

Result<std::optional<bool>> optional_bool(const Gguf& gguf, const char* key) {
  if (!gguf.find_key(key)) return std::optional<bool>{};
  ONEBIT_ASSIGN(const bool value, gguf.get_bool_or(key, false));
  return std::optional<bool>(value);
}

}  // namespace

struct Tokenizer::Impl {
  Vocab vocab;
  std::string kind;
  std::unique_ptr<Segmenter> segmenter;
  SpecialMatcher all_special;     // control, unknown and user-defined tokens
  SpecialMatcher user_defined;    // cut out of the text even where special text is not parsed
  std::vector<bool> ends;
  Token bos = -1, eos = -1;
  bool add_bos = false, add_eos = false, space_prefix = false;

  void choose_special_ids(const TokenizerConfig& config, Token default_bos, Token default_eos);
  Status collect_special();
  Status make_segmenter(const TokenizerConfig& config);
  Status make_byte_pair(const TokenizerConfig& config);
  Status make_sentence_piece(const TokenizerConfig& config);
  std::string piece(Token token, bool special) const;
  std::vector<SpecialMatcher::Match> find_special(std::string_view text, const EncodeOptions& options) const;
};

void Tokenizer::Impl::choose_special_ids(const TokenizerConfig& config, Token default_bos, Token default_eos) {
  const auto choose = [&](std::optional<uint64_t> id, Token fallback) {
    return id ? static_cast<Token>(*id) : vocab.contains(fallback) ? fallback : -1;
  };
  bos = choose(config.bos, default_bos);
  eos = choose(config.eos, default_eos);

  ends.assign(vocab.size(), false);
  for (const std::string_view text : kEndTexts)
    if (const Token id = vocab.find(text); id >= 0) {
      ends[id] = true;
      vocab.set_type(id, TokenType::control);
    }
  for (const auto& id : {config.eot, config.eom})
    if (id) ends[*id] = true;
  if (eos >= 0) ends[eos] = true;
}

Status Tokenizer::Impl::collect_special() {
  size_t bytes = 0;
  for (Token id = 0; vocab.contains(id); ++id) {
    const std::string_view text = vocab.text(id);
    const TokenType type = vocab.type(id);
    if (text.empty() || vocab.is_plain(id) || type == TokenType::byte) continue;
    bytes += text.size();
    if (bytes > kMaxSpecialBytes)
      return fail(Errc::out_of_range, "tokenizer.ggml.tokens: special tokens of more than {} bytes in all, met at token {}",
                  kMaxSpecialBytes, id);
    all_special.add(text, id);
    if (type == TokenType::user_defined) user_defined.add(text, id);
  }
  all_special.build();
  user_defined.build();
  return {};
}

Status Tokenizer::Impl::make_segmenter(const TokenizerConfig& config) {
  if (config.model == "gpt2") return make_byte_pair(config);
  if (config.model == "llama" || config.model == "t5") return make_sentence_piece(config);
  return fail(Errc::unsupported, "tokenizer.ggml.model: unknown tokenizer '{}', expected gpt2, llama or t5", config.model);
}

Status Tokenizer::Impl::make_byte_pair(const TokenizerConfig& config) {
  ONEBIT_ASSIGN(const PreTokenizerSpec spec, pre_tokenizer_spec(config.pre, vocab.size()));
  kind = spec.kind;
  choose_special_ids(config, vocab.find("<|begin_of_text|>"), -1);
  // The default of llama-bpe counts only where there is a BOS to add.
  add_bos = config.add_bos.value_or(spec.add_bos && bos >= 0);
  add_eos = config.add_eos.value_or(false);
  const Token unknown = config.unknown ? static_cast<Token>(*config.unknown) : -1;
  ONEBIT_ASSIGN(segmenter, make_bpe(vocab, config.merges, spec, unknown));
  return {};
}

// Defaults as in llama.cpp: BOS 1, EOS 2, unknown 0 and a space prefix for llama; EOS 1 and unknown 2
// for t5, which ends a text with EOS instead of beginning it with BOS.
Status Tokenizer::Impl::make_sentence_piece(const TokenizerConfig& config) {
  const bool unigram = config.model == "t5";
  kind = unigram ? "unigram" : "llama-spm";
  // A file without token types still has its byte tokens.
  for (Token id = 0; config.types.empty() && vocab.contains(id); ++id)
    if (byte_token_value(vocab.text(id)) >= 0) vocab.set_type(id, TokenType::byte);
  choose_special_ids(config, unigram ? -1 : 1, unigram ? 1 : 2);
  add_bos = config.add_bos.value_or(!unigram && bos >= 0);
  add_eos = config.add_eos.value_or(unigram && eos >= 0);
  space_prefix = config.add_space_prefix.value_or(!unigram);
  Token unknown = unigram ? 2 : 0;
  if (config.unknown)
    unknown = static_cast<Token>(*config.unknown);
  else if (!vocab.contains(unknown) || vocab.type(unknown) != TokenType::unknown)
    unknown = -1;
  const SpaceRules spaces{space_prefix, config.remove_extra_whitespaces.value_or(false)};
  ONEBIT_ASSIGN(segmenter, unigram ? make_unigram(vocab, spaces, unknown) : make_spm(vocab, spaces, unknown));
  return {};
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::from_config(const TokenizerConfig& config) {
  auto impl = std::make_unique<Impl>();
  ONEBIT_ASSIGN(impl->vocab, Vocab::build(config));
  const size_t n = impl->vocab.size();
  ONEBIT_TRY(check_id("bos_token_id", config.bos, n));
  ONEBIT_TRY(check_id("eos_token_id", config.eos, n));
  ONEBIT_TRY(check_id("eot_token_id", config.eot, n));
  ONEBIT_TRY(check_id("eom_token_id", config.eom, n));
  ONEBIT_TRY(check_id("unknown_token_id", config.unknown, n));
  ONEBIT_TRY(impl->make_segmenter(config));
  if (impl->add_bos && impl->bos < 0)
    return fail(Errc::format, "tokenizer.ggml.add_bos_token: true, but there is no tokenizer.ggml.bos_token_id");
  if (impl->add_eos && impl->eos < 0)
    return fail(Errc::format, "tokenizer.ggml.add_eos_token: true, but there is no tokenizer.ggml.eos_token_id");
  ONEBIT_TRY(impl->collect_special());
  return Tokenizer(std::move(impl));
}

Result<Tokenizer> Tokenizer::from_gguf(const Gguf& gguf) {
  TokenizerConfig c;
  ONEBIT_ASSIGN(c.model, gguf.get_string("tokenizer.ggml.model"));
  ONEBIT_ASSIGN(c.pre, gguf.get_string_or("tokenizer.ggml.pre", ""));
  ONEBIT_ASSIGN(c.tokens, array_of<std::string>(gguf, "tokenizer.ggml.tokens"));
  ONEBIT_ASSIGN(c.merges, array_of<std::string>(gguf, "tokenizer.ggml.merges"));
  ONEBIT_ASSIGN(c.scores, array_of<float>(gguf, "tokenizer.ggml.scores"));
  ONEBIT_ASSIGN(c.types, array_of<int32_t>(gguf, "tokenizer.ggml.token_type"));
  ONEBIT_ASSIGN(c.bos, optional_id(gguf, "tokenizer.ggml.bos_token_id"));
  ONEBIT_ASSIGN(c.eos, optional_id(gguf, "tokenizer.ggml.eos_token_id"));
  ONEBIT_ASSIGN(c.eot, optional_id(gguf, "tokenizer.ggml.eot_token_id"));
  ONEBIT_ASSIGN(c.eom, optional_id(gguf, "tokenizer.ggml.eom_token_id"));
  ONEBIT_ASSIGN(c.unknown, optional_id(gguf, "tokenizer.ggml.unknown_token_id"));
  ONEBIT_ASSIGN(c.add_bos, optional_bool(gguf, "tokenizer.ggml.add_bos_token"));
  ONEBIT_ASSIGN(c.add_eos, optional_bool(gguf, "tokenizer.ggml.add_eos_token"));
  ONEBIT_ASSIGN(c.add_space_prefix, optional_bool(gguf, "tokenizer.ggml.add_space_prefix"));
  ONEBIT_ASSIGN(c.remove_extra_whitespaces, optional_bool(gguf, "tokenizer.ggml.remove_extra_whitespaces"));
  if (c.model == "gpt2" && !gguf.find_key("tokenizer.ggml.merges"))
    return fail(Errc::format, "{}: tokenizer.ggml.merges is missing, expected for a gpt2 tokenizer", gguf.path());
  // Normalisation rules of SentencePiece, which change the text before it is cut.
  if (gguf.find_key("tokenizer.ggml.precompiled_charsmap"))
    return fail(Errc::unsupported, "{}: tokenizer.ggml.precompiled_charsmap: normalisation is not supported", gguf.path());
  auto tokenizer = from_config(c);
  if (!tokenizer) return with_context(std::move(tokenizer).error(), gguf.path());
  return tokenizer;
}

// Special tokens of the text: control tokens outside options.literal, user-defined ones anywhere.
std::vector<SpecialMatcher::Match> Tokenizer::Impl::find_special(std::string_view text, const EncodeOptions& options) const {
  if (!options.parse_special) return user_defined.find(text);
  if (options.literal.empty()) return all_special.find(text);
  std::vector<SpecialMatcher::Match> found;
  const auto collect = [&](const SpecialMatcher& matcher, size_t begin, size_t end) {
    if (begin >= end) return;
    for (const auto& m : matcher.find(text.substr(begin, end - begin)))
      found.push_back({m.begin + begin, m.end + begin, m.token});
  };
  size_t at = 0;
  for (const ByteRange& r : options.literal) {
    const size_t begin = std::clamp(r.begin, at, text.size()), end = std::clamp(r.end, begin, text.size());
    collect(all_special, at, begin);
    collect(user_defined, begin, end);
    at = end;
  }
  collect(all_special, at, text.size());
  return found;
}

Result<std::vector<Token>> Tokenizer::encode(std::string_view text, EncodeOptions options) const try {
  if (text.size() > kMaxTextBytes)
    return fail(Errc::out_of_range, "text: {} bytes, expected at most {}", text.size(), kMaxTextBytes);
  const Impl& m = *impl_;
  std::vector<Token> out;
  if (options.add_special && m.add_bos) out.push_back(m.bos);
  bool first = true;
  size_t at = 0;
  const auto plain = [&](size_t end) -> Status {
    if (end == at) return {};
    return m.segmenter->encode(text.substr(at, end - at), first, out);
  };
  for (const auto& match : m.find_special(text, options)) {
    ONEBIT_TRY(plain(match.begin));
    out.push_back(match.token);
    at = match.end;
    first = true;
  }
  ONEBIT_TRY(plain(text.size()));
  if (options.add_special && m.add_eos) out.push_back(m.eos);
  return out;
} catch (const std::bad_alloc&) {
  return fail(Errc::out_of_memory, "text: no memory to tokenize {} bytes", text.size());
}

std::string Tokenizer::Impl::piece(Token token, bool special) const {
  if (!vocab.contains(token)) return {};
  switch (vocab.type(token)) {
    case TokenType::control:
    case TokenType::unknown:
      return special ? std::string(vocab.text(token)) : std::string();
    case TokenType::user_defined:
      return std::string(vocab.text(token));
    default:
      return segmenter->piece(token);
  }
}

std::string Tokenizer::piece(Token token, bool special) const { return impl_->piece(token, special); }

std::string Tokenizer::decode(std::span<const Token> tokens, bool special) const {
  const Impl& m = *impl_;
  std::string text;
  // encode() puts a space before the text and before what follows each special token.
  bool after_special = true;
  for (const Token t : tokens) {
    const std::string piece = m.piece(t, special);
    const bool plain = m.vocab.contains(t) && (m.vocab.is_plain(t) || m.vocab.type(t) == TokenType::byte);
    const bool strip = m.space_prefix && plain && after_special && piece.starts_with(' ');
    text.append(piece, strip ? 1 : 0);
    after_special = !plain;
  }
  return text;
}

size_t Tokenizer::size() const { return impl_->vocab.size(); }
Token Tokenizer::bos() const { return impl_->bos; }
Token Tokenizer::eos() const { return impl_->eos; }
bool Tokenizer::add_bos() const { return impl_->add_bos; }
bool Tokenizer::is_end(Token token) const { return impl_->vocab.contains(token) && impl_->ends[token]; }
bool Tokenizer::is_control(Token token) const {
  return impl_->vocab.contains(token) && impl_->vocab.type(token) == TokenType::control;
}
Token Tokenizer::find(std::string_view text) const { return impl_->vocab.find(text); }
std::string_view Tokenizer::kind() const { return impl_->kind; }

}  // namespace onebit
