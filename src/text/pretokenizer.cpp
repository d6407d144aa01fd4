#include "text/pretokenizer.h"

#include <algorithm>
#include <array>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "text/utf8.h"

namespace onebit {
namespace {

// White_Space of Unicode, as the tokenizers' own \s has it. PCRE2's \s is ASCII only, or with
// PCRE2_UCP also takes U+180E.
#define WS R"(\x09-\x0D\x20\x85\xA0\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})"
#define CONTRACTIONS "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
// What follows the digits in the family of Llama 3 and Qwen 2.
#define WORD R"([^\r\n\p{L}\p{N}]?\p{L}+)"
#define REST " ?[^" WS R"(\p{L}\p{N}]+[\r\n]*|[)" WS R"(]*[\r\n]+|[)" WS "]+(?![^" WS "])|[" WS "]+"

// The expressions are those that the models publish in tokenizer.json; which name stands for which,
// ignore_merges and add_bos are as in llama.cpp, src/llama-vocab.cpp (llama_vocab::impl::load:
// "falcon3" is listed with "llama-bpe").
constexpr const char* kLlama3 = CONTRACTIONS "|" WORD R"(|\p{N}{1,3}|)" REST;
constexpr const char* kQwen2 = CONTRACTIONS "|" WORD R"(|\p{N}|)" REST;
constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" WS R"(\p{L}\p{N}]+|[)" WS "]+(?![^" WS "])|[" WS "]+";
// llama.cpp's "default": punctuation, then the words of GPT-2, then digits by three.
constexpr const char* kPunctuation = R"([\p{P}$+<=>^~|]+)";
constexpr const char* kDigits = R"(\p{N}+)";
constexpr const char* kThreeDigits = "[0-9][0-9][0-9]";

struct Alias {
  std::string_view name, kind;
};
constexpr Alias kAliases[] = {
    {"llama-bpe", "llama-bpe"}, {"llama3", "llama-bpe"},   {"llama-v3", "llama-bpe"},
    {"falcon3", "falcon3"},     {"gpt-2", "gpt-2"},        {"gpt2", "gpt-2"},
    {"phi-2", "gpt-2"},         {"qwen2", "qwen2"},        {"deepseek-r1-qwen", "qwen2"},
    {"megrez", "qwen2"},        {"default", "default"},
};

constexpr size_t kLlama3Tokens = 128256;

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

struct FreeMatchData {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
struct FreeContext {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct FreeCode {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
};

}  // namespace

struct PreTokenizer::Pattern {
  std::unique_ptr<pcre2_code, FreeCode> code;
};

Result<PreTokenizerSpec> pre_tokenizer_spec(std::string_view name, size_t tokens) {
  if (name.empty()) name = tokens == kLlama3Tokens ? "llama-bpe" : "default";
  const auto* alias = std::find_if(std::begin(kAliases), std::end(kAliases), [&](const Alias& a) { return a.name == name; });
  if (alias == std::end(kAliases))
    return fail(Errc::unsupported,
                "tokenizer.ggml.pre: unknown pre-tokenizer '{}', expected llama-bpe, falcon3, gpt-2, qwen2 or default", name);
  const std::string_view kind = alias->kind;
  if (kind == "gpt-2") return PreTokenizerSpec{kind, {kGpt2}, false, false};
  if (kind == "qwen2") return PreTokenizerSpec{kind, {kQwen2}, false, false};
  if (kind == "default") return PreTokenizerSpec{kind, {kPunctuation, kGpt2, kDigits, kThreeDigits}, false, false};
  return PreTokenizerSpec{kind, {kLlama3}, true, true};
}

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::compile(const PreTokenizerSpec& spec) {
  PreTokenizer p;
  for (const char* text : spec.patterns) {
    int error = 0;
    size_t offset = 0;
    std::unique_ptr<pcre2_code, FreeCode> code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text), PCRE2_ZERO_TERMINATED,
                                                             PCRE2_UTF, &error, &offset, nullptr));
    if (!code)
      return fail(Errc::unsupported, "pre-tokenizer {}: PCRE2 refuses its expression at {}: {}", spec.kind, offset,
                  pcre2_message(error));
    // Where the JIT may not be used (no writable and executable memory) the interpreter does the same.
    pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
    p.patterns_.push_back(std::make_unique<Pattern>(Pattern{std::move(code)}));
  }
  return p;
}

Status PreTokenizer::split(std::string_view text, const std::function<Status(std::string_view)>& word) const {
  return split_with(0, text, word);
}

Status PreTokenizer::split_with(size_t level, std::string_view text,
                                const std::function<Status(std::string_view)>& word) const {
  if (text.empty()) return {};
  if (level == patterns_.size()) return word(text);
  const pcre2_code* code = patterns_[level]->code.get();
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
  const std::unique_ptr<pcre2_match_context, FreeContext> context(pcre2_match_context_create(nullptr));
  if (!data || !context) return fail(Errc::out_of_memory, "pre-tokenizer: no memory for a match");
  // These expressions step back at most once per character of a run, so the limit is never met by
  // them; it stops a future one that would take exponential time.
  pcre2_set_match_limit(context.get(), static_cast<uint32_t>(std::min<uint64_t>(UINT32_MAX, text.size() * 16 + 1000000)));

  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const size_t* range = pcre2_get_ovector_pointer(data.get());
  size_t at = 0;
  while (at < text.size()) {
    int rc = pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
      rc = pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data.get(), context.get());
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0)
      return fail(Errc::unsupported, "pre-tokenizer: byte {} of a text of {} bytes: {}", at, text.size(), pcre2_message(rc));
    if (range[1] <= at) return fail(Errc::unsupported, "pre-tokenizer: an expression matched nothing at byte {}", at);
    // What lies between two matches is a piece too.
    ONEBIT_TRY(split_with(level + 1, text.substr(at, range[0] - at), word));
    ONEBIT_TRY(split_with(level + 1, text.substr(range[0], range[1] - range[0]), word));
    at = range[1];
  }
  return split_with(level + 1, text.substr(at), word);
}

}  // namespace onebit
