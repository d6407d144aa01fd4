// The file `perplexity --kl-base` writes and `--kl` reads: full log-probabilities of every scored token.
//
// Little endian: "ONEBITKL", u32 version = 1, u32 vocab, u32 context, u32 tokens, i32 ids[tokens], then
// for each scored position f32 log_probability[vocab]. Nothing follows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "text/tokenizer.h"

namespace onebit::cli {

class KlWriter {
 public:
  static Result<KlWriter> create(const std::string& path, uint32_t vocab, uint32_t context, std::span<const Token> ids);
  Status write(std::span<const float> log_probabilities);
  Status finish() { return out_.commit(); }

 private:
  OutputFile out_;
};

class KlReader {
 public:
  // Errors name the field that is not what this model and text give: vocab, context, ids, size.
  static Result<KlReader> open(const std::string& path, uint32_t vocab, uint32_t context, std::span<const Token> ids,
                               size_t positions);
  const float* row(size_t position) const { return rows_ + position * vocab_; }

 private:
  MappedFile file_;
  const float* rows_ = nullptr;
  size_t vocab_ = 0;
};

}  // namespace onebit::cli
