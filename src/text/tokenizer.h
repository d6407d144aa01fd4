// Text to token ids and back, from the metadata of a GGUF file. Byte-pair encoding with the
// pre-tokenizers llama-bpe, gpt-2, falcon3 and qwen2, and SentencePiece-style llama-spm.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/gguf.h"

namespace onebit {

using Token = int32_t;
struct TokenizerConfig;

// Bytes begin..end of a text.
struct ByteRange {
  size_t begin, end;
  bool operator==(const ByteRange&) const = default;
};

struct EncodeOptions {
  bool add_special = true;     // the BOS / EOS that the model's metadata ask for
  bool parse_special = true;   // text such as <|eot_id|> becomes its control token
  // With parse_special: ranges, ascending and disjoint, in which no control token is looked for. The text is cut as a
  // whole all the same: words and merges cross the ends of a range.
  std::span<const ByteRange> literal = {};
};

class Tokenizer {
 public:
  // Errors: missing or ill-typed tokenizer.ggml.* keys, a token count that differs between arrays,
  // ids out of range, an unknown model or pre-tokenizer (named).
  static Result<Tokenizer> from_gguf(const Gguf& gguf);
  // The same from plain values (text/vocab.h), for tests and for tools that have no file.
  static Result<Tokenizer> from_config(const TokenizerConfig& config);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Any bytes. decode(encode(x)) == x for valid UTF-8; for invalid UTF-8 too wherever the vocabulary
  // has byte tokens. Errors: text over 2^30 bytes.
  Result<std::vector<Token>> encode(std::string_view text, EncodeOptions options = {}) const;

  // The bytes of one token, as a part of a text. Control tokens give their text when `special`, else
  // nothing. An id outside the vocabulary gives nothing.
  std::string piece(Token token, bool special = false) const;
  // Concatenates pieces; removes the space that llama-spm puts before a text. 
  std::string decode(std::span<const Token> tokens, bool special = false) const;

  size_t size() const;
  Token bos() const;                 // -1 when there is none
  Token eos() const;
  bool add_bos() const;
  bool is_end(Token token) const;    // EOS, EOT and their like: generation stops here
  bool is_control(Token token) const;
  // The id of an exact token text such as "<|eot_id|>", or -1.
  Token find(std::string_view text) const;
  std::string_view kind() const;     // "llama-bpe", "gpt-2", "llama-spm", ...

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace onebit
