// For tests of the C interface: the tiny model with a byte tokenizer as a file, handles that free themselves.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <unistd.h>

#include "engine/byte_tokenizer.h"
#include "model/tiny_model.h"
#include "onebit/onebit.h"

namespace onebit::testing {

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
