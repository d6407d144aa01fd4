// Where a model comes from, as the user spells it:
//   bitnet-2b-4t                       a row of the table of known models
//   hf://OWNER/REPO[@REVISION][/FILE]  the Hugging Face hub; without FILE the one GGUF file (or set of shards) of the repository
//   https://HOST/PATH/FILE             and http:// where the rules of http.h allow it
//   file:///PATH/FILE
// A file named X-00001-of-0000N.gguf stands for all its shards.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit::store {

struct KnownModel {
  const char* name;
  const char* source;
  uint64_t bytes;
  const char* sha256;
  const char* summary;
};
std::span<const KnownModel> known_models();
const KnownModel* known_model(std::string_view name);

// The name of a model in the store and of a file in it: 1 to 120 of A-Z a-z 0-9 . _ -, the first a letter or digit. It is one
// component of a path that is neither hidden nor a way out.
bool valid_name(std::string_view name);

struct HubFile {
  std::string path;  // in the repository
  std::optional<uint64_t> size;
  std::string sha256;
};

struct Source {
  enum class Kind { hub, web, file };
  Kind kind = Kind::web;
  std::string text;  // for people and for the record: no credentials, no query
  std::string name;  // proposed for the store; empty: none can be made
  // web, file
  std::string url;
  // hub
  std::string repository, revision = "main", path;
  // of a known model
  std::optional<uint64_t> size;
  std::string sha256;
};

// Errors are Errc::usage and say what was expected.
Result<Source> parse_source(const std::string& text);

// "model-00001-of-00003.gguf": all three names; any other name: itself. Errors: a shard that is not the first, more than 1000.
Result<std::vector<std::string>> shard_names(const std::string& file);

// The GGUF files of a repository from the hub's JSON (GET /api/models/REPO/tree/REVISION?recursive=true).
Result<std::vector<HubFile>> parse_hub_tree(const std::string& json);
// The one model among them, with its shards in order. Errors list what there is to choose from.
Result<std::vector<HubFile>> choose_hub_files(const std::vector<HubFile>& files, const std::string& path, const std::string& repository);

// A path in a URL: everything but unreserved characters and '/' as %XX.
std::string escape_path(std::string_view path);

}  // namespace onebit::store
