#include "base/file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace onebit {
namespace {

std::unexpected<Error> os_error(const char* action, const std::string& path) {
  const int e = errno;
  return fail(Errc::io, "{}: cannot {}: {}", path, action, std::strerror(e));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ > STDERR_FILENO) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

MappedFile::MappedFile(MappedFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<uint8_t*>(data_), size_);
  if (fd_ >= 0) close(fd_);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  MappedFile m;
  // O_NONBLOCK: a pipe that nobody writes to must be refused, not waited for.
  m.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (m.fd_ < 0) return os_error("open", path);
  struct stat st{};
  if (fstat(m.fd_, &st) != 0) return os_error("stat", path);
  if (!S_ISREG(st.st_mode)) return fail(Errc::io, "{}: not a regular file", path);
  m.path_ = path;
  m.size_ = static_cast<size_t>(st.st_size);
  if (m.size_ == 0) return m;
  void* p = mmap(nullptr, m.size_, PROT_READ, MAP_PRIVATE, m.fd_, 0);
  if (p == MAP_FAILED) {
    m.size_ = 0;
    return os_error("map", path);
  }
  m.data_ = static_cast<const uint8_t*>(p);
  return m;
}

void MappedFile::release(size_t offset, size_t length) const {
  if (!data_ || offset >= size_) return;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t end = length > size_ - offset ? size_ : offset + length;
  const size_t first = (offset + page - 1) / page * page;
  const size_t last = end / page * page;
  if (first < last) madvise(const_cast<uint8_t*>(data_) + first, last - first, MADV_DONTNEED);
}

bool MappedFile::read(size_t offset, size_t length, void* out) const {
  auto* at = static_cast<uint8_t*>(out);
  while (length > 0) {
    const ssize_t n = pread(fd_, at, length, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n, offset += static_cast<size_t>(n), length -= static_cast<size_t>(n);
  }
  return true;
}

void MappedFile::prefetch(size_t offset, size_t length) const {
  if (!data_ || offset >= size_) return;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t end = length > size_ - offset ? size_ : offset + length;
  const size_t first = offset / page * page;
  madvise(const_cast<uint8_t*>(data_) + first, end - first, MADV_WILLNEED);
}

Result<std::string> read_text(const std::string& path, size_t limit) {
  const Descriptor fd(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return os_error("open", path);
  std::string text;
  char chunk[65536];
  for (;;) {
    const ssize_t n = read(fd.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error("read", path);
    if (n == 0) return text;
    if (text.size() + static_cast<size_t>(n) > limit)
      return fail(Errc::out_of_range, "{}: text is longer than {} bytes", path, limit);
    text.append(chunk, static_cast<size_t>(n));
  }
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      position_(other.position_),
      path_(std::move(other.path_)),
      partial_(std::move(other.partial_)),
      pending_(std::move(other.pending_)) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(position_, other.position_);
  std::swap(path_, other.path_);
  std::swap(partial_, other.partial_);
  std::swap(pending_, other.pending_);
  return *this;
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(partial_.c_str());
}

Result<OutputFile> OutputFile::create(const std::string& path) {
  OutputFile f;
  f.path_ = path;
  f.partial_ = path + ".partial";
  f.fd_ = ::open(f.partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (f.fd_ < 0) return os_error("create", f.partial_);
  return f;
}

Status OutputFile::write(const void* data, size_t size) {
  constexpr size_t kBuffer = size_t{1} << 20;
  position_ += size;
  pending_.append(static_cast<const char*>(data), size);
  return pending_.size() >= kBuffer ? flush() : Status{};
}

Status OutputFile::flush() {
  size_t done = 0;
  while (done < pending_.size()) {
    const ssize_t n = ::write(fd_, pending_.data() + done, pending_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error("write", partial_);
    done += static_cast<size_t>(n);
  }
  pending_.clear();
  return {};
}

Status OutputFile::commit() {
  ONEBIT_TRY(flush());
  if (close(std::exchange(fd_, -1)) != 0) return os_error("close", partial_);
  if (rename(partial_.c_str(), path_.c_str()) != 0) {
    const auto error = os_error("rename", partial_);
    unlink(partial_.c_str());
    return error;
  }
  return {};
}

}  // namespace onebit
