#include "verb_synth_vocab.h"

#include <string>
#include <string_view>
#include <vector>

namespace onebit::cli {
namespace {

// Values of tokenizer.ggml.token_type.
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6;

constexpr std::string_view kChatTemplate =
    "{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// GPT-2 writes every byte as one visible character: printable Latin-1 stands for itself, the others
// follow from U+0100 on.
std::vector<std::string> byte_characters() {
  const auto visible = [](uint32_t b) { return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae; };
  std::vector<std::string> out(256);
  uint32_t next = 0x100;
  for (uint32_t b = 0; b < 256; ++b) append_utf8(out[b], visible(b) ? b : next++);
  return out;
}

// All texts of one more letter than those of [first, end), appended until the list is `limit` long.
void extend(std::vector<std::vector<std::string>>& texts, size_t first, size_t end, size_t limit) {
  for (size_t i = first; i < end; ++i)
    for (char c = 'a'; c <= 'z' && texts.size() < limit; ++c) {
      auto longer = texts[i];
      longer.emplace_back(1, c);
      texts.push_back(std::move(longer));
    }
}

std::string join(const std::vector<std::string>& symbols, size_t first, size_t end) {
  std::string out;
  for (size_t i = first; i < end; ++i) out += symbols[i];
  return out;
}

// `count` texts of 2 to 4 symbols, shorter first: a letter or `space`, then letters.
std::vector<std::vector<std::string>> made_up_words(const std::string& space, size_t count) {
  std::vector<std::vector<std::string>> words{{space}};
  for (char c = 'a'; c <= 'z'; ++c) words.push_back({std::string(1, c)});
  const size_t starts = words.size();
  for (size_t first = 0; words.size() < starts + count;) {
    const size_t end = words.size();
    extend(words, first, end, starts + count);
    first = end;
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(starts));
  return words;
}

std::string special_name(uint64_t i, uint64_t eot) {
  if (i == 0) return "<|begin_of_text|>";
  if (i == 1) return "<|end_of_text|>";
  if (i == eot) return "<|eot_id|>";
  return fmt::format("<|reserved_special_token_{}|>", i);
}

}  // namespace

void add_bpe_vocab(GgufWriter& writer, uint64_t size, const char* pre) {
  // A large vocabulary has the 256 special tokens of Llama 3, with <|eot_id|> the tenth.
  const uint64_t specials = size >= 65536 ? 256 : 4;
  const uint64_t eot = specials == 256 ? 9 : 3;
  const uint64_t first_special = size - specials;

  std::vector<std::string> tokens = byte_characters();
  std::vector<std::string> merges;
  const std::string space = tokens[' '];
  for (const auto& word : made_up_words(space, first_special - 256)) {
    const size_t n = word.size();
    tokens.push_back(join(word, 0, n));
    // The ways to put the text together from its beginning and from its end, as trained vocabularies list them.
    merges.push_back(join(word, 0, n - 1) + " " + word[n - 1]);
    if (n > 2) merges.push_back(word[0] + " " + join(word, 1, n));
  }
  std::vector<int32_t> types(first_special, kNormal);
  for (uint64_t i = 0; i < specials; ++i) {
    tokens.push_back(special_name(i, eot));
    types.push_back(kControl);
  }
  writer.add_key("tokenizer.ggml.model", std::string("gpt2"));
  writer.add_key("tokenizer.ggml.pre", std::string(pre));
  writer.add_key("tokenizer.ggml.tokens", std::move(tokens));
  writer.add_key("tokenizer.ggml.token_type", std::move(types));
  writer.add_key("tokenizer.ggml.merges", std::move(merges));
  writer.add_key("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(first_special));
  writer.add_key("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(first_special + 1));
  writer.add_key("tokenizer.ggml.eot_token_id", static_cast<uint32_t>(first_special + eot));
  writer.add_key("tokenizer.ggml.padding_token_id", static_cast<uint32_t>(first_special + 1));
  writer.add_key("tokenizer.ggml.add_bos_token", true);
  writer.add_key("tokenizer.chat_template", std::string(kChatTemplate));
}

void add_spm_vocab(GgufWriter& writer, uint64_t size) {
  const std::string space = "\xe2\x96\x81";  // U+2581, which SentencePiece puts for a space
  std::vector<std::string> tokens{"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types{kUnknown, kControl, kControl};
  std::vector<float> scores(3 + 256, 0.0f);
  for (int b = 0; b < 256; ++b) {
    tokens.push_back(fmt::format("<0x{:02X}>", b));
    types.push_back(kByte);
  }
  const auto add = [&](std::string text, int32_t type, float score) {
    tokens.push_back(std::move(text));
    types.push_back(type);
    scores.push_back(score);
  };
  // Single characters come last in the order of merges, as in trained vocabularies.
  const float last = -static_cast<float>(size);
  add(space, kNormal, last);
  for (char c = '!'; c <= '~'; ++c) add(std::string(1, c), kNormal, last);
  const uint64_t specials = 2;
  const auto words = made_up_words(space, size - specials - tokens.size());
  for (size_t i = 0; i < words.size(); ++i) add(join(words[i], 0, words[i].size()), kNormal, -static_cast<float>(i));
  for (uint64_t i = 0; i < specials; ++i) add(fmt::format("<|special_{}|>", i), kControl, 0.0f);

  writer.add_key("tokenizer.ggml.model", std::string("llama"));
  writer.add_key("tokenizer.ggml.pre", std::string("default"));
  writer.add_key("tokenizer.ggml.tokens", std::move(tokens));
  writer.add_key("tokenizer.ggml.scores", std::move(scores));
  writer.add_key("tokenizer.ggml.token_type", std::move(types));
  writer.add_key("tokenizer.ggml.bos_token_id", uint32_t{1});
  writer.add_key("tokenizer.ggml.eos_token_id", uint32_t{2});
  writer.add_key("tokenizer.ggml.unknown_token_id", uint32_t{0});
  writer.add_key("tokenizer.ggml.add_bos_token", true);
}

}  // namespace onebit::cli
