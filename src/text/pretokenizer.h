// Cuts text into words with a model's regular expressions, through PCRE2.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit {

// What `tokenizer.ggml.pre` stands for.
struct PreTokenizerSpec {
  std::string_view kind;                    // canonical name
  std::vector<const char*> patterns;        // applied in turn, each to the pieces of the one before
  bool ignore_merges;                       // a word that is a token is that token, whatever the merges say
  bool add_bos;                             // where the file does not say
};

// Errors: a name that is none of the known ones (named). `tokens` decides for an empty name: 128256 is
// the Llama 3 vocabulary, which the published BitNet b1.58 2B files carry without a name.
Result<PreTokenizerSpec> pre_tokenizer_spec(std::string_view name, size_t tokens);

class PreTokenizer {
 public:
  static Result<PreTokenizer> compile(const PreTokenizerSpec& spec);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // Calls word() for consecutive pieces that together are `text`, which must be well-formed UTF-8.
  // Errors: the match limit of PCRE2.
  Status split(std::string_view text, const std::function<Status(std::string_view)>& word) const;

 private:
  struct Pattern;
  PreTokenizer();
  std::vector<std::unique_ptr<Pattern>> patterns_;

  Status split_with(size_t level, std::string_view text, const std::function<Status(std::string_view)>& word) const;
};

}  // namespace onebit
