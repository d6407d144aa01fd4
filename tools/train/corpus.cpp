#include "corpus.h"

#include <algorithm>

namespace onebit::train {

std::vector<Token> document_stream(const Bpe& bpe, std::string_view text) {
  std::vector<Token> stream;
  while (!text.empty()) {
    const size_t gap = text.find("\n\n");
    // The line break before the gap belongs to the document.
    const std::string_view document = gap == text.npos ? text : text.substr(0, gap + 1);
    text.remove_prefix(gap == text.npos ? text.size() : gap + 2);
    if (document.empty()) continue;
    const auto tokens = bpe.encode(document);
    stream.insert(stream.end(), tokens.begin(), tokens.end());
    stream.push_back(bpe.eos());
  }
  return stream;
}

WindowSampler::WindowSampler(const std::vector<Token>& stream, Token bos, int seq, uint64_t seed)
    : stream_(stream), bos_(bos), seq_(static_cast<size_t>(seq)), random_(seed) {}

void WindowSampler::begin_epoch() {
  starts_.clear();
  for (size_t at = random_.below(seq_); at + seq_ <= stream_.size(); at += seq_) starts_.push_back(at);
  for (size_t i = starts_.size(); i > 1; --i) std::swap(starts_[i - 1], starts_[random_.below(i)]);
  next_ = 0;
}

void WindowSampler::next(int32_t* input, int32_t* target) {
  if (next_ == starts_.size()) begin_epoch();
  const Token* window = &stream_[starts_[next_++]];
  input[0] = bos_;
  std::copy_n(window, seq_ - 1, input + 1);
  std::copy_n(window, seq_, target);
}

}  // namespace onebit::train
