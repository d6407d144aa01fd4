#include "store/store.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/digest.h"
#include "store/source.h"

namespace onebit::store {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kRecord = "/model.json";

std::unexpected<Error> os_error(const char* action, const std::string& path) {
  return fail(Errc::io, "{}: cannot {}: {}", path, action, std::strerror(errno));
}

bool regular(const std::string& path, uint64_t* bytes) {
  struct stat st{};
  if (stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  *bytes = static_cast<uint64_t>(st.st_size);
  return true;
}

Json to_json(const Entry& e) {
  Json files = Json::array();
  for (const ModelFile& f : e.files) files.push_back({{"file", f.file}, {"bytes", f.bytes}, {"sha256", f.sha256}});
  return {{"name", e.name}, {"source", e.source}, {"pulled", e.pulled}, {"files", std::move(files)}};
}

// A record is a file like any other: what it names has to be plain names of files that are there.
Result<Entry> read_record(const std::string& folder, const std::string& name) {
  constexpr size_t kLimit = size_t{1} << 20;
  const std::string path = folder + kRecord;
  ONEBIT_ASSIGN(const std::string text, read_text(path, kLimit));
  const Json j = Json::parse(text, nullptr, false);
  const auto text_of = [](const Json& o, const char* key) {
    const auto it = o.find(key);
    return it != o.end() && it->is_string() ? it->template get<std::string>() : std::string();
  };
  if (!j.is_object() || !j.contains("files") || !j["files"].is_array() || j["files"].empty())
    return fail(Errc::format, "{}: not a record of a model, expected an object with 'files'", path);
  Entry e{name, text_of(j, "source"), text_of(j, "pulled"), folder, {}, false};
  for (const Json& f : j["files"]) {
    if (!f.is_object()) return fail(Errc::format, "{}: files: {}, expected objects", path, f.type_name());
    ModelFile file{text_of(f, "file"), 0, text_of(f, "sha256")};
    if (!valid_name(file.file)) return fail(Errc::format, "{}: file: not a plain name", path);
    if (!file.sha256.empty() && !is_sha256(file.sha256)) return fail(Errc::format, "{}: sha256 of {}: not 64 hexadecimal digits", path, file.file);
    if (!regular(folder + "/" + file.file, &file.bytes)) return fail(Errc::io, "{}/{}: is missing", folder, file.file);
    e.files.push_back(std::move(file));
  }
  return e;
}

Result<Entry> read_entry(const std::string& folder, const std::string& name, bool system) {
  if (folder.empty()) return fail(Errc::io, "{}: no such model", name);
  uint64_t bytes = 0;
  if (regular(folder + "/" + name + kRecord, &bytes)) {
    ONEBIT_ASSIGN(Entry e, read_record(folder + "/" + name, name));
    e.system = system;
    return e;
  }
  if (regular(folder + "/" + name + ".gguf", &bytes)) return Entry{name, {}, {}, folder, {{name + ".gguf", bytes, {}}}, system};
  return fail(Errc::io, "{}: no such model", name);
}

void list_folder(const std::string& folder, bool system, std::map<std::string, Entry>& found) {
  if (folder.empty()) return;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.ends_with(".gguf") && it->is_regular_file(error)) name.resize(name.size() - 5);
    if (!valid_name(name) || found.contains(name)) continue;
    if (auto entry = read_entry(folder, name, system)) found.emplace(name, *std::move(entry));
  }
}

Status sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return os_error("open", path);
  const int result = fsync(fd);
  close(fd);
  // Some file systems cannot do this; they have nothing to offer in its place.
  if (result != 0 && errno != EINVAL) return os_error("write to the disk", path);
  return {};
}

Status remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return fail(Errc::io, "{}: cannot remove: {}", path, error.message());
  return {};
}

// -1 with errno where it cannot be had.
int lock_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return -1;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

// Between opening and locking it, another process may have finished and renamed it.
bool still_there(int fd, const std::string& path) {
  struct stat mine{}, there{};
  return fstat(fd, &mine) == 0 && lstat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

}  // namespace

uint64_t Entry::bytes() const {
  uint64_t sum = 0;
  for (const ModelFile& f : files) sum += f.bytes;
  return sum;
}

Result<std::string> Store::default_folder() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value && *value ? std::string(value) : std::string();
  };
  if (std::string own = set("ONEBIT_MODELS"); !own.empty()) return own;
  // The XDG rules: a path that is not absolute counts as not set.
  if (const std::string data = set("XDG_DATA_HOME"); data.starts_with('/')) return data + "/onebit/models";
  if (const std::string home = set("HOME"); !home.empty()) return home + "/.local/share/onebit/models";
  return fail(Errc::usage, "no folder for models: one of ONEBIT_MODELS, XDG_DATA_HOME and HOME has to be set");
}

std::string Store::default_system_folder() {
  const char* own = std::getenv("ONEBIT_SYSTEM_MODELS");
  return own ? own : ONEBIT_SYSTEM_MODELS;
}

Result<Store> Store::open_default() {
  ONEBIT_ASSIGN(std::string folder, default_folder());
  return Store(std::move(folder), default_system_folder());
}

std::vector<Entry> Store::list() const {
  std::map<std::string, Entry> found;
  list_folder(folder_, false, found);
  list_folder(system_, true, found);
  std::vector<Entry> entries;
  for (auto& [name, entry] : found) entries.push_back(std::move(entry));
  return entries;
}

Result<Entry> Store::find(const std::string& name) const {
  if (!valid_name(name)) return fail(Errc::usage, "'{}' is no name of a model, expected letters, digits and ._-", name);
  auto entry = read_entry(folder_, name, false);
  uint64_t bytes = 0;
  if (entry || regular(folder_ + "/" + name + kRecord, &bytes) || system_.empty()) return entry;
  return read_entry(system_, name, true);
}

Status Store::remove(const std::string& name) const {
  if (!valid_name(name)) return fail(Errc::usage, "'{}' is no name of a model, expected letters, digits and ._-", name);
  bool found = false;
  struct stat st{};
  if (lstat(incoming_path(name).c_str(), &st) == 0) {
    Lock lock;
    lock.fd_ = lock_folder(incoming_path(name));
    if (lock.fd_ < 0 && errno == EWOULDBLOCK) return fail(Errc::io, "{}: is being pulled", name);
    ONEBIT_TRY(remove_tree(incoming_path(name)));
    found = true;
  }
  const std::string folder = folder_ + "/" + name, file = folder + ".gguf";
  if (lstat((folder + kRecord).c_str(), &st) == 0) {
    // Out of sight first, so that it is never there in part.
    const std::string gone = fmt::format("{}/.{}.removed-{}", folder_, name, getpid());
    if (rename(folder.c_str(), gone.c_str()) != 0) return os_error("rename", folder);
    ONEBIT_TRY(remove_tree(gone));
    found = true;
  } else if (lstat(file.c_str(), &st) == 0) {
    if (unlink(file.c_str()) != 0) return os_error("remove", file);
    found = true;
  }
  if (found) return {};
  if (!system_.empty() && read_entry(system_, name, true)) return fail(Errc::io, "{}: belongs to the system ({}), not to {}", name, system_, folder_);
  return fail(Errc::io, "{}: no such model in {}", name, folder_);
}

Store::Lock::~Lock() {
  if (fd_ >= 0) close(fd_);
}

Result<std::string> Store::incoming(const std::string& name, Lock* lock) const {
  if (!valid_name(name)) return fail(Errc::usage, "'{}' is no name of a model, expected letters, digits and ._-", name);
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return fail(Errc::io, "{}: cannot create: {}", folder_, error.message());
  std::string path = incoming_path(name);
  for (int tries = 0; tries < 10; ++tries) {
    if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return os_error("create", path);
    Lock held;
    held.fd_ = lock_folder(path);
    if (held.fd_ < 0 && errno == EWOULDBLOCK) return fail(Errc::io, "{}: is being pulled by another process", name);
    if (held.fd_ < 0 && errno == ENOENT) continue;
    if (held.fd_ < 0) return os_error("lock", path);
    if (!still_there(held.fd_, path)) continue;
    *lock = std::move(held);
    return path;
  }
  return fail(Errc::io, "{}: cannot be locked", path);
}

Result<Entry> Store::publish(const Entry& entry) const {
  const std::string from = incoming_path(entry.name), to = folder_ + "/" + entry.name;
  ONEBIT_ASSIGN(OutputFile record, OutputFile::create(from + kRecord));
  ONEBIT_TRY(record.write(to_json(entry).dump(2) + "\n"));
  ONEBIT_TRY(record.commit());
  ONEBIT_TRY(sync_folder(from));
  struct stat st{};
  if (lstat(to.c_str(), &st) == 0) {
    // Exchanged in one step where the file system can.
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
      const std::string old = fmt::format("{}/.{}.removed-{}", folder_, entry.name, getpid());
      if (rename(to.c_str(), old.c_str()) != 0) return os_error("rename", to);
      if (rename(from.c_str(), to.c_str()) != 0) return os_error("rename", from);
      ONEBIT_TRY(remove_tree(old));
    } else {
      ONEBIT_TRY(remove_tree(from));
    }
  } else if (rename(from.c_str(), to.c_str()) != 0) {
    return os_error("rename", from);
  }
  ONEBIT_TRY(sync_folder(folder_));
  return find(entry.name);
}

Result<std::string> resolve_model(const std::string& model) {
  uint64_t bytes = 0;
  if (model.find('/') != std::string::npos || model.ends_with(".gguf") || regular(model, &bytes) || !valid_name(model)) return model;
  // Without a folder of the user's own the system's still serves: a service may have no home.
  const auto folder = Store::default_folder();
  const Store store(folder ? *folder : std::string(), Store::default_system_folder());
  auto entry = store.find(model);
  if (entry) return entry->path();
  if (known_model(model)) return fail(Errc::io, "{}: not pulled (onebit pull {})", model, model);
  if (!folder) return fail(folder.error().code, "{}: neither a file nor a model of the system, and {}", model, folder.error().message);
  return fail(Errc::io, "{}: neither a file nor a model in {} (onebit list names those there are)", model, store.folder());
}

}  // namespace onebit::store
