#include "store/digest.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <new>
#include <vector>

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

namespace onebit::store {
namespace {

EVP_MD_CTX* as_context(void* p) { return static_cast<EVP_MD_CTX*>(p); }

// Only memory can be missing here: the algorithm is part of every OpenSSL.
void start(void* context) {
  if (!context || EVP_DigestInit_ex(as_context(context), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
}

}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(as_context(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { start(context_.get()); }

void Sha256::update(const void* data, size_t size) {
  if (EVP_DigestUpdate(as_context(context_.get()), data, size) != 1) throw std::bad_alloc();
}

std::string Sha256::finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(as_context(context_.get()), bytes, &size) != 1) throw std::bad_alloc();
  start(context_.get());
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", bytes[i]);
  return hex;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

Status hash_file(const std::string& path, uint64_t size, Sha256& hash) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return fail(Errc::io, "{}: cannot open: {}", path, std::strerror(errno));
  std::vector<char> chunk(size_t{1} << 20);
  uint64_t done = 0;
  ssize_t n = 1;
  while (done < size && n > 0) {
    n = read(fd, chunk.data(), std::min<uint64_t>(chunk.size(), size - done));
    if (n < 0 && errno == EINTR) {
      n = 1;
      continue;
    }
    if (n <= 0) break;
    hash.update(chunk.data(), static_cast<size_t>(n));
    done += static_cast<uint64_t>(n);
  }
  const int error = errno;
  close(fd);
  if (n < 0) return fail(Errc::io, "{}: cannot read: {}", path, std::strerror(error));
  if (done < size) return fail(Errc::io, "{}: {} bytes, expected {}", path, done, size);
  return {};
}

}  // namespace onebit::store
