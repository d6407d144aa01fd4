// From a source to a model in the store.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "store/download.h"
#include "store/source.h"
#include "store/store.h"

namespace onebit::store {

struct PullOptions {
  DownloadOptions download;
  std::string name;    // in the store; empty: the source's own
  std::string sha256;  // expected of a single file; empty: what the source says, if anything
  bool force = false;  // fetch again, in place of a model of that name
  std::string hub;     // https://huggingface.co, or $HF_ENDPOINT
  std::string token;   // for the hub, $HF_TOKEN
  // What is being fetched: file, its number from 0 on, and how many there are.
  std::function<void(const std::string& file, size_t index, size_t count)> begin_file;
};

struct Pulled {
  Entry entry;
  bool already = false;  // it was there: nothing was fetched
  uint64_t resumed_at = 0;
};

// The model is opened as GGUF before it appears under its name. Errors: those of download(), a name that is taken by a model of
// another source (Errc::usage, says how to choose), a file that is no model.
Result<Pulled> pull(const Store& store, const Source& source, const PullOptions& options);

// PullOptions with hub and token from the environment.
PullOptions pull_options_from_environment();

}  // namespace onebit::store
