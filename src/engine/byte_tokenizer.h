// For tests: keys of a tokenizer without merges. Tokens 0..255 are the bytes as gpt-2 spells them, then three control
// tokens.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "format/gguf.h"

namespace onebit::testing {

inline std::vector<std::pair<std::string, GgufValue>> byte_tokenizer() {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  uint32_t next = 256;
  const auto utf8 = [](uint32_t c) {
    if (c < 0x80) return std::string(1, static_cast<char>(c));
    return std::string{static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  };
  for (uint32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    tokens.push_back(utf8(printable ? b : next++));
    types.push_back(1);
  }
  for (const char* t : {"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"}) {
    tokens.push_back(t);
    types.push_back(3);
  }
  return {{"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string("gpt-2")},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", std::vector<std::string>{}},
          {"tokenizer.ggml.bos_token_id", uint32_t{256}},
          {"tokenizer.ggml.eos_token_id", uint32_t{257}},
          {"tokenizer.ggml.add_bos_token", true}};
}

}  // namespace onebit::testing
