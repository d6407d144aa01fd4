// onebit show: what the store knows of a model.
#include <cstdio>

#include "format/gguf.h"
#include "format/gguf_read.h"
#include "store/digest.h"
#include "store_json.h"
#include "verb.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;

Json header_json(const Gguf& g) {
  Json j;
  j["architecture"] = g.get_string_or("general.architecture", "").value_or("");
  j["title"] = g.get_string_or("general.name", "").value_or("");
  j["tensors"] = g.tensors().size();
  return j;
}

Status verify(const store::Entry& e) {
  for (const store::ModelFile& f : e.files) {
    if (f.sha256.empty()) return fail(Errc::usage, "{}: no digest is on record", f.file);
    store::Sha256 hash;
    ONEBIT_TRY(store::hash_file(e.folder + "/" + f.file, f.bytes, hash));
    if (const std::string digest = hash.finish(); digest != f.sha256)
      return fail(Errc::format, "{}/{}: SHA-256 {}, expected {}", e.folder, f.file, digest, f.sha256);
  }
  return {};
}

Status run(std::span<const char* const> args) {
  std::vector<std::string> names;
  bool json = false, check = false;
  Flags flags("onebit show", "say what the store knows of a model", "onebit show bitnet-2b-4t --verify");
  flags.positional("NAME", "the model", &names, 1);
  flags.toggle("--json", "one JSON object", &json);
  flags.toggle("--verify", "compare the files with the digests on record", &check);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (names.size() != 1) return fail(Errc::usage, "NAME is missing (see 'onebit show --help')");
  ONEBIT_ASSIGN(const store::Store models, store::Store::open_default());
  ONEBIT_ASSIGN(const store::Entry entry, models.find(names[0]));
  ONEBIT_ASSIGN(const Gguf header, Gguf::open(entry.path()));
  if (check) ONEBIT_TRY(verify(entry));
  Json j = entry_json(entry);
  j["header"] = header_json(header);
  if (check) j["verified"] = true;
  if (json) {
    fmt::print("{}\n", j.dump(2, ' ', false, Json::error_handler_t::replace));
    return {};
  }
  fmt::print("{}\n", entry.name);
  const auto line = [](const char* key, const std::string& value) {
    if (!value.empty()) fmt::print("  {:<14} {}\n", key, value);
  };
  line("path", entry.path());
  line("source", entry.source);
  line("pulled", entry.pulled);
  line("bytes", std::to_string(entry.bytes()));
  line("architecture", gguf_printable(j["header"]["architecture"].get<std::string>()));
  line("title", gguf_printable(j["header"]["title"].get<std::string>()));
  for (const store::ModelFile& f : entry.files) line(entry.files.size() > 1 ? f.file.c_str() : "sha256", f.sha256);
  if (check) line("verified", "the files are as pulled");
  return {};
}

}  // namespace

const Verb show_verb{"show", "say what the store knows of a model", run};

}  // namespace onebit::cli
