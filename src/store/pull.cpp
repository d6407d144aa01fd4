#include "store/pull.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "format/gguf.h"
#include "store/digest.h"
#include "store/retry.h"
#include "store/url.h"

namespace onebit::store {
namespace {

struct Part {
  Wanted wanted;
  std::string file;  // in the store
};

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm t{};
  gmtime_r(&now, &t);
  char text[32];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t);
  return {text, n};
}

// What the last component of a URL may be called here.
std::string safe_file(std::string_view path, size_t index) {
  const std::string file(path.substr(path.find_last_of('/') + 1));
  return valid_name(file) && file.ends_with(".gguf") ? file : index == 0 ? "model.gguf" : fmt::format("model-{}.gguf", index);
}

Result<std::string> hub_listing(const Source& source, const PullOptions& options) {
  constexpr size_t kLimit = size_t{16} << 20;
  const DownloadOptions& d = options.download;
  const std::string url = fmt::format("{}/api/models/{}/tree/{}?recursive=true", options.hub, source.repository, source.revision);
  const std::function<bool()> go_on = [&d] { return !d.progress || d.progress(0, 0); };
  for (unsigned fruitless = 1;; ++fruitless) {
    auto json = http_text({url, options.token, 0, {}}, d.http, kLimit, go_on);
    if (json) return *std::move(json);
    if (!json.error().retry || fruitless > d.retries) return std::unexpected(std::move(json).error().error);
    ONEBIT_TRY(wait_before_retry(d.backoff, fruitless, json.error(), go_on, d.note));
  }
}

// The list of a repository is asked for where no file is named; a file's own size and digest come with the download.
Result<std::vector<Part>> hub_parts(const Source& source, const PullOptions& options) {
  std::vector<HubFile> files;
  if (source.path.empty()) {
    ONEBIT_ASSIGN(const std::string json, hub_listing(source, options));
    auto all = parse_hub_tree(json);
    if (!all) return with_context(std::move(all).error(), "hf://" + source.repository);
    ONEBIT_ASSIGN(files, choose_hub_files(*all, source.path, source.repository));
  } else {
    ONEBIT_ASSIGN(const auto names, shard_names(source.path));
    for (const std::string& name : names) files.push_back({name, std::nullopt, {}});
  }
  if (files.size() == 1 && source.size) files[0].size = source.size;
  if (files.size() == 1 && !source.sha256.empty()) files[0].sha256 = source.sha256;
  std::vector<Part> parts;
  for (const HubFile& f : files) {
    const std::string url = fmt::format("{}/{}/resolve/{}/{}", options.hub, source.repository, source.revision, escape_path(f.path));
    Part part;
    part.wanted.url = url;
    part.wanted.bearer = options.token;
    part.wanted.size = f.size;
    part.wanted.sha256 = f.sha256;
    part.file = safe_file(f.path, parts.size());
    parts.push_back(std::move(part));
  }
  return parts;
}

// The shards of a URL differ in its path only.
Result<std::vector<Part>> url_parts(const Source& source) {
  const size_t end = std::min(source.url.find_first_of("?#"), source.url.size());
  const std::string before = source.url.substr(0, end), after = source.url.substr(end);
  auto names = shard_names(before);
  if (!names) return fail(Errc::usage, "{}: a later shard, expected the first (-00001-of-)", source.text);
  std::vector<Part> parts;
  for (const std::string& name : *names) {
    ONEBIT_ASSIGN(const Url url, parse_url(name + after));
    Part part;
    part.wanted.url = url.text;
    part.file = safe_file(url.path, parts.size());
    parts.push_back(std::move(part));
  }
  return parts;
}

Result<std::string> choose_name(const Source& source, const PullOptions& options) {
  std::string name = options.name.empty() ? source.name : options.name;
  if (name.empty()) return fail(Errc::usage, "{}: no name can be made of it: give one with --name", source.text);
  if (!valid_name(name)) return fail(Errc::usage, "--name: '{}', expected letters, digits and ._-, at most 120", name);
  return name;
}

// Whether the model that has the name already is the one that is asked for.
Result<bool> already_there(const Entry& entry, const Source& source, const PullOptions& options) {
  const std::string wanted = options.sha256.empty() ? source.sha256 : options.sha256;
  const bool same_digest = wanted.empty() || (entry.files.size() == 1 && entry.files[0].sha256 == wanted);
  if (!entry.system && entry.source == source.text && same_digest) return true;
  if (entry.system) return false;  // may be hidden by one of the user's own
  return fail(Errc::usage, "{}: the name is taken by a model from {}; choose another with --name, or replace it with --force", entry.name,
              entry.source.empty() ? entry.path() : entry.source);
}

// All bytes are there: gives the files their names and looks whether they are a model.
Status check_model(const std::string& folder, const std::vector<Part>& parts) {
  for (const Part& p : parts) {
    const std::string path = folder + "/" + p.file;
    if (std::rename((path + ".partial").c_str(), path.c_str()) != 0) return fail(Errc::io, "{}: cannot rename", path);
  }
  auto model = Gguf::open(folder + "/" + parts[0].file);
  if (model) return {};
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return with_context(std::move(model).error(), "what came is no model that can be read");
}

// What an earlier pull of the name left that this one does not go on with.
void sweep(const std::string& folder, const std::vector<Part>& parts) {
  std::error_code error;
  std::vector<std::filesystem::path> stale;
  for (const auto& item : std::filesystem::directory_iterator(folder, error)) {
    const std::string file = item.path().filename().string();
    const auto ours = [&file](const Part& p) { return file == p.file + ".partial" || file == p.file + ".partial.state"; };
    if (std::none_of(parts.begin(), parts.end(), ours)) stale.push_back(item.path());
  }
  for (const auto& path : stale) std::filesystem::remove_all(path, error);
}

Result<Pulled> fill(const Store& store, const std::string& folder, const std::string& name, const Source& source, const PullOptions& options) {
  ONEBIT_ASSIGN(std::vector<Part> parts, source.kind == Source::Kind::hub ? hub_parts(source, options) : url_parts(source));
  if (!options.sha256.empty()) {
    if (parts.size() != 1) return fail(Errc::usage, "--sha256: {} files, expected one", parts.size());
    parts[0].wanted.sha256 = options.sha256;
    for (char& c : parts[0].wanted.sha256) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  sweep(folder, parts);
  Pulled pulled;
  pulled.entry.name = name;
  pulled.entry.source = source.text;
  pulled.entry.pulled = utc_now();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (options.begin_file) options.begin_file(parts[i].file, i, parts.size());
    ONEBIT_ASSIGN(const Fetched fetched, download(parts[i].wanted, folder + "/" + parts[i].file + ".partial", options.download));
    pulled.resumed_at += fetched.resumed_at;
    pulled.entry.files.push_back({parts[i].file, fetched.bytes, fetched.sha256});
  }
  ONEBIT_TRY(check_model(folder, parts));
  ONEBIT_ASSIGN(pulled.entry, store.publish(pulled.entry));
  return pulled;
}

}  // namespace

PullOptions pull_options_from_environment() {
  PullOptions o;
  const char* hub = std::getenv("HF_ENDPOINT");
  const char* token = std::getenv("HF_TOKEN");
  o.hub = hub && *hub ? hub : "https://huggingface.co";
  while (o.hub.ends_with('/')) o.hub.pop_back();
  o.token = token ? token : "";
  return o;
}

Result<Pulled> pull(const Store& store, const Source& source, const PullOptions& options) {
  if (!options.sha256.empty() && !is_sha256(options.sha256))
    return fail(Errc::usage, "--sha256: '{}', expected 64 hexadecimal digits", options.sha256);
  if (options.token.find_first_of("\r\n") != std::string::npos) return fail(Errc::usage, "HF_TOKEN: more than one line");
  ONEBIT_ASSIGN(const std::string name, choose_name(source, options));
  if (auto entry = store.find(name); entry && !options.force) {
    ONEBIT_ASSIGN(const bool there, already_there(*entry, source, options));
    if (there) return Pulled{*std::move(entry), true, 0};
  }
  Store::Lock lock;
  ONEBIT_ASSIGN(const std::string folder, store.incoming(name, &lock));
  auto pulled = fill(store, folder, name, source, options);
  // Nothing is left of a try that brought nothing: this removes the folder only if it is empty.
  std::error_code ignored;
  if (!pulled) std::filesystem::remove(folder, ignored);
  return pulled;
}

}  // namespace onebit::store
