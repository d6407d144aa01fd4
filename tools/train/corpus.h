// Training text as one stream of tokens, and the windows that are drawn from it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "bpe.h"
#include "random.h"

namespace onebit::train {

// Documents end with an empty line in the text and with eos in the stream.
std::vector<Token> document_stream(const Bpe& bpe, std::string_view text);

// Windows of `seq` tokens of a stream, each behind bos. An epoch visits every window of a grid once, in
// random order; the origin of the grid is random per epoch, so that windows begin everywhere.
class WindowSampler {
 public:
  // The stream stays alive and holds at least 2 * seq tokens.
  WindowSampler(const std::vector<Token>& stream, Token bos, int seq, uint64_t seed);

  // input: bos, w0 .. w(seq-2); target: w0 .. w(seq-1).
  void next(int32_t* input, int32_t* target);

 private:
  void begin_epoch();

  const std::vector<Token>& stream_;
  Token bos_;
  size_t seq_;
  Random random_;
  std::vector<size_t> starts_;
  size_t next_ = 0;
};

}  // namespace onebit::train
