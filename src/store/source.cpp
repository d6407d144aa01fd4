#include "store/source.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <nlohmann/json.hpp>

#include "store/digest.h"
#include "store/url.h"

namespace onebit::store {
namespace {

constexpr KnownModel kKnown[] = {
    {"bitnet-2b-4t", "hf://microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf", 1'187'801'280,
     "4221b252fdd5fd25e15847adfeb5ee88886506ba50b8a34548374492884c2162", "BitNet b1.58 2B-4T, I2_S"},
};

constexpr std::string_view kGguf = ".gguf";

std::string_view file_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

std::string_view stem(std::string_view file) {
  if (file.ends_with(kGguf)) file.remove_suffix(kGguf.size());
  return file;
}

// "-00001-of-00003" at the end of a stem
struct Shard {
  size_t at;
  uint64_t index, count;
};
std::optional<Shard> shard_of(std::string_view name) {
  constexpr size_t kTail = 15;  // -00001-of-00003
  if (name.size() < kTail) return std::nullopt;
  const std::string_view tail = name.substr(name.size() - kTail);
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-") return std::nullopt;
  const auto number = [](std::string_view digits) -> uint64_t {
    uint64_t v = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
    return error == std::errc{} && end == digits.data() + digits.size() ? v : 0;
  };
  const Shard s{name.size() - kTail, number(tail.substr(1, 5)), number(tail.substr(10))};
  return s.index > 0 && s.count > 0 ? std::optional(s) : std::nullopt;
}

std::string_view without_shard(std::string_view name) {
  const auto shard = shard_of(name);
  return shard ? name.substr(0, shard->at) : name;
}

std::string proposed(std::string name) { return valid_name(name) ? name : std::string(); }

bool same_start(std::string_view a, std::string_view b) {
  const auto equal = [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); };
  return a.size() >= b.size() && std::equal(b.begin(), b.end(), a.begin(), equal);
}

// Owner, repository and revision become parts of a URL, a path of the hub's.
bool plain_segment(std::string_view s) {
  return !s.empty() && s != "." && s != ".." && s.size() <= 200 && std::all_of(s.begin(), s.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

Result<Source> hub_source(const std::string& text) {
  Source s;
  s.kind = Source::Kind::hub;
  s.text = text;
  std::string_view rest = std::string_view(text).substr(5);
  const auto bad = [&text](std::string_view what) { return fail(Errc::usage, "{}: {}, expected hf://OWNER/REPO[@REVISION][/FILE]", text, what); };
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return bad("no repository");
  const std::string_view owner = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  const size_t end = std::min(rest.find('/'), rest.size());
  std::string_view repo = rest.substr(0, end);
  s.path = end < rest.size() ? std::string(rest.substr(end + 1)) : std::string();
  if (const size_t at = repo.find('@'); at != std::string_view::npos) {
    s.revision = std::string(repo.substr(at + 1));
    repo = repo.substr(0, at);
  }
  if (!plain_segment(owner)) return bad("an owner of other than letters, digits and ._-");
  if (!plain_segment(repo)) return bad("a repository of other than letters, digits and ._-");
  if (!plain_segment(s.revision)) return bad("a revision of other than letters, digits and ._-");
  if (s.path.starts_with('/') || s.path.ends_with('/') || s.path.find("..") != std::string::npos || s.path.find("//") != std::string::npos ||
      std::any_of(s.path.begin(), s.path.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F || c == '\\'; }))
    return bad("a file that is no plain path");
  s.repository = fmt::format("{}/{}", owner, repo);
  const std::string_view file = without_shard(stem(file_name(s.path)));
  s.name = proposed(file.empty() || same_start(repo, file) ? std::string(repo) : same_start(file, stem(repo)) ? std::string(file) : fmt::format("{}-{}", repo, file));
  return s;
}

}  // namespace

std::span<const KnownModel> known_models() { return kKnown; }

const KnownModel* known_model(std::string_view name) {
  for (const KnownModel& m : kKnown)
    if (name == m.name) return &m;
  return nullptr;
}

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 120 && std::isalnum(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x80 && (std::isalnum(c) || c == '.' || c == '_' || c == '-'); });
}

Result<Source> parse_source(const std::string& text) {
  if (const KnownModel* known = known_model(text)) {
    ONEBIT_ASSIGN(Source s, parse_source(known->source));
    s.name = known->name;
    s.size = known->bytes;
    s.sha256 = known->sha256;
    return s;
  }
  if (text.starts_with("hf://")) return hub_source(text);
  if (text.find("://") == std::string::npos) {
    std::string names;
    for (const KnownModel& m : kKnown) names += fmt::format("{}{}", names.empty() ? "" : ", ", m.name);
    return fail(Errc::usage, "'{}' is no known model ({}), expected one of them, hf://OWNER/REPO[/FILE], https://... or file://...", text, names);
  }
  auto url = parse_url(text);
  if (!url) return fail(Errc::usage, "{}", url.error().message);
  Source s;
  s.kind = url->scheme == "file" ? Source::Kind::file : Source::Kind::web;
  if (s.kind == Source::Kind::web && url->scheme != "https" && url->scheme != "http")
    return fail(Errc::usage, "{}: scheme '{}', expected hf, https or file", url->printable(), url->scheme);
  s.url = url->text;
  s.text = url->printable();
  s.name = proposed(std::string(without_shard(stem(file_name(url->path)))));
  return s;
}

Result<std::vector<std::string>> shard_names(const std::string& file) {
  constexpr uint64_t kMost = 1000;
  const std::string_view name = stem(file);
  const auto shard = shard_of(name);
  if (!shard) return std::vector{file};
  if (shard->index != 1) return fail(Errc::usage, "{}: shard {} of {}, expected the first", file, shard->index, shard->count);
  if (shard->count > kMost) return fail(Errc::usage, "{}: {} shards, expected at most {}", file, shard->count, kMost);
  std::vector<std::string> names;
  for (uint64_t i = 1; i <= shard->count; ++i)
    names.push_back(fmt::format("{}-{:05}-of-{:05}{}", name.substr(0, shard->at), i, shard->count, std::string_view(file).substr(name.size())));
  return names;
}

Result<std::vector<HubFile>> parse_hub_tree(const std::string& json) {
  const auto j = nlohmann::json::parse(json, nullptr, false);
  if (!j.is_array()) return fail(Errc::format, "the hub's list of files is no JSON array");
  std::vector<HubFile> files;
  for (const auto& entry : j) {
    const auto text = [](const nlohmann::json& o, const char* key) {
      const auto it = o.is_object() ? o.find(key) : o.end();
      return o.is_object() && it != o.end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    HubFile f{text(entry, "path"), std::nullopt, {}};
    if (text(entry, "type") != "file" || !f.path.ends_with(kGguf)) continue;
    if (const auto size = entry.find("size"); size != entry.end() && size->is_number_unsigned()) f.size = size->get<uint64_t>();
    if (const auto lfs = entry.find("lfs"); lfs != entry.end() && is_sha256(text(*lfs, "oid"))) f.sha256 = text(*lfs, "oid");
    files.push_back(std::move(f));
  }
  return files;
}

Result<std::vector<HubFile>> choose_hub_files(const std::vector<HubFile>& files, const std::string& path, const std::string& repository) {
  const auto find = [&files](const std::string& p) { return std::find_if(files.begin(), files.end(), [&p](const HubFile& f) { return f.path == p; }); };
  std::vector<std::string> firsts;
  for (const HubFile& f : files) {
    const auto shard = shard_of(stem(f.path));
    if (!shard || shard->index == 1) firsts.push_back(f.path);
  }
  const auto list = [&firsts] {
    std::string out;
    for (size_t i = 0; i < std::min<size_t>(firsts.size(), 30); ++i) out += fmt::format("{}{}", i ? ", " : "", firsts[i]);
    return out;
  };
  if (firsts.empty()) return fail(Errc::format, "hf://{}: no GGUF file", repository);
  if (path.empty() && firsts.size() > 1)
    return fail(Errc::usage, "hf://{}: {} GGUF files, name one as hf://{}/FILE: {}", repository, firsts.size(), repository, list());
  const std::string wanted = path.empty() ? firsts[0] : path;
  ONEBIT_ASSIGN(const auto names, shard_names(wanted));
  std::vector<HubFile> chosen;
  for (const std::string& name : names) {
    const auto it = find(name);
    if (it == files.end()) return fail(Errc::usage, "hf://{}: no file '{}', expected one of {}", repository, name, list());
    chosen.push_back(*it);
  }
  return chosen;
}

std::string escape_path(std::string_view path) {
  std::string out;
  for (const unsigned char c : path) {
    if (c < 0x80 && (std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/'))
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

}  // namespace onebit::store
