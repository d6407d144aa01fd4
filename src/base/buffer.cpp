#include "base/buffer.h"

#include <sys/mman.h>

namespace onebit {

Result<Buffer> Buffer::allocate(size_t bytes, const char* what) {
  Buffer b;
  if (bytes == 0) return b;
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return fail(Errc::out_of_memory, "no memory for {}: {} bytes asked for", what, bytes);
  // Huge pages are an optimisation: a kernel without them answers with an error that changes nothing.
  constexpr size_t kHugePage = size_t{2} << 20;
  if (bytes >= kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
  b.data_ = static_cast<uint8_t*>(p);
  b.size_ = bytes;
  return b;
}

Buffer::~Buffer() {
  if (data_) munmap(data_, size_);
}

}  // namespace onebit
