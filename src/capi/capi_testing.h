// For tests of the C interface: the tiny model with a byte tokenizer as a file, handles that free themselves.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "model/tiny_model.h"
#include "onebit/onebit.h"

namespace onebit::testing {

// Tokens 0..255 are the bytes as gpt-2 spells them, then control tokens: 256 begins a text, 257 and 258 end one.
inline std::vector<std::pair<std::string, GgufValue>> byte_tokenizer() {
  std::vector<std::string> tokens;
  std::vector<int32_t> types(259, 1);
  uint32_t next = 256;
  const auto utf8 = [](uint32_t c) {
    if (c < 0x80) return std::string(1, static_cast<char>(c));
    return std::string{static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  };
  for (uint32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    tokens.push_back(utf8(printable ? b : next++));
  }
  for (const char* t : {"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"}) tokens.emplace_back(t);
  std::fill(types.end() - 3, types.end(), 3);
  return {{"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string("gpt-2")},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", std::vector<std::string>{}},
          {"tokenizer.ggml.bos_token_id", uint32_t{256}},
          {"tokenizer.ggml.eos_token_id", uint32_t{257}},
          {"tokenizer.ggml.add_bos_token", true}};
}

// The file goes with the object.
class TinyFile {
 public:
  explicit TinyFile(uint32_t context = 64) {
    path_ = (std::filesystem::temp_directory_path() / ("onebit_capi_" + std::to_string(getpid()) + ".gguf")).string();
    status_ = TinyModel({.vocab = 259, .context = context}).write(path_, byte_tokenizer());
  }
  ~TinyFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TinyFile(const TinyFile&) = delete;
  TinyFile& operator=(const TinyFile&) = delete;
  const char* path() const { return path_.c_str(); }
  const Status& status() const { return status_; }

 private:
  std::string path_;
  Status status_;
};

struct Free {
  void operator()(onebit_model* h) const { onebit_model_free(h); }
  void operator()(onebit_tokenizer* h) const { onebit_tokenizer_free(h); }
  void operator()(onebit_sampler* h) const { onebit_sampler_free(h); }
  void operator()(onebit_session* h) const { onebit_session_free(h); }
  void operator()(onebit_device* h) const { onebit_device_free(h); }
  void operator()(onebit_weights* h) const { onebit_weights_free(h); }
  void operator()(onebit_event* h) const { onebit_event_free(h); }
};
template <class Handle>
using Owned = std::unique_ptr<Handle, Free>;

}  // namespace onebit::testing
