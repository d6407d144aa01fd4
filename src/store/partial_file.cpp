#include "store/partial_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"

namespace onebit::store {
namespace {

using Json = nlohmann::json;

std::unexpected<Error> os_error(const char* action, const std::string& path) {
  return fail(Errc::io, "{}: cannot {}: {}", path, action, std::strerror(errno));
}

std::string text_of(const Json& j, const char* key) {
  const auto it = j.find(key);
  return it != j.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

PartialFile::~PartialFile() {
  if (fd_ < 0) return;
  close(fd_);
  if (size_ == 0 && !finished_) discard();
}

Status PartialFile::open(const std::string& path, const std::string& url, bool digest_known) {
  path_ = path;
  url_ = url;
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (fd_ < 0) return os_error("create", path);
  struct stat st{};
  if (fstat(fd_, &st) != 0) return os_error("stat", path);
  if (!S_ISREG(st.st_mode)) return fail(Errc::io, "{}: not a regular file", path);
  size_ = static_cast<uint64_t>(st.st_size);
  if (size_ == 0) return restart();
  if (!read_state(url, digest_known)) return restart();
  if (total_ && size_ > *total_) return restart();
  return hash_file(path, size_, hash_);
}

// An error means that the bytes cannot be continued, not that something is broken.
Status PartialFile::read_state(const std::string& url, bool digest_known) {
  constexpr size_t kLimit = size_t{1} << 16;
  ONEBIT_ASSIGN(const std::string text, read_text(path_ + ".state", kLimit));
  const Json j = Json::parse(text, nullptr, false);
  if (!j.is_object() || text_of(j, "url") != url) return fail(Errc::format, "{}: of another source", path_);
  etag_ = text_of(j, "etag");
  last_modified_ = text_of(j, "last_modified");
  if (const auto it = j.find("total"); it != j.end() && it->is_number_unsigned()) total_ = it->get<uint64_t>();
  if (!digest_known && validator().empty()) return fail(Errc::format, "{}: no validator", path_);
  return {};
}

Status PartialFile::save_state() const {
  Json j{{"url", url_}, {"etag", etag_}, {"last_modified", last_modified_}};
  if (total_) j["total"] = *total_;
  ONEBIT_ASSIGN(OutputFile out, OutputFile::create(path_ + ".state"));
  ONEBIT_TRY(out.write(j.dump()));
  return out.commit();
}

std::string PartialFile::validator() const { return !etag_.empty() && !etag_.starts_with("W/") ? etag_ : last_modified_; }

Status PartialFile::restart() {
  if (ftruncate(fd_, 0) != 0) return os_error("truncate", path_);
  hash_.finish();
  size_ = 0;
  total_.reset();
  etag_.clear();
  last_modified_.clear();
  return {};
}

Status PartialFile::learn(const HttpHead& head, std::optional<uint64_t> total) {
  etag_ = head.etag;
  last_modified_ = head.last_modified;
  total_ = total;
  return save_state();
}

Status PartialFile::check_room(uint64_t total) const {
  struct statvfs fs{};
  if (fstatvfs(fd_, &fs) != 0) return os_error("ask for free space", path_);
  const auto free_bytes = static_cast<unsigned __int128>(fs.f_bavail) * fs.f_frsize;
  const uint64_t needed = total > size_ ? total - size_ : 0;
  if (free_bytes < needed)
    return fail(Errc::io, "{}: {} bytes are needed, the disk has {} free", path_, needed, static_cast<uint64_t>(free_bytes));
  return {};
}

Status PartialFile::append(const uint8_t* data, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = pwrite(fd_, data + done, size - done, static_cast<off_t>(size_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return os_error("write", path_);
    done += static_cast<size_t>(n);
  }
  hash_.update(data, size);
  size_ += size;
  return {};
}

Status PartialFile::finish() {
  if (fsync(fd_) != 0) return os_error("write to the disk", path_);
  finished_ = true;
  unlink((path_ + ".state").c_str());
  return {};
}

void PartialFile::discard() {
  unlink((path_ + ".state").c_str());
  unlink(path_.c_str());
}

}  // namespace onebit::store
