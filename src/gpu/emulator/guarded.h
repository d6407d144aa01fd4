// Device memory for tests: poisoned, and ending where a page that cannot be touched begins, so that reads and writes
// past the end stop the test where they happen.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <vector>

namespace onebit::gpu::emulator {

template <class T>
class Guarded {
 public:
  // Every byte 0xff: NaN in floats, -1 in integers.
  explicit Guarded(size_t n) : n_(n) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = (n * sizeof(T) + 15) / 16 * 16;
    const size_t pages = (bytes + page - 1) / page;
    bytes_ = (pages + 1) * page;
    void* const p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<uint8_t*>(p);
    mprotect(base_ + pages * page, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + pages * page - bytes);
    std::memset(static_cast<void*>(data_), 0xff, bytes);
  }
  explicit Guarded(std::span<const T> values) : Guarded(values.size()) {
    std::memcpy(static_cast<void*>(data_), values.data(), values.size_bytes());
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(std::span<const T>(values)) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, bytes_); }

  T* data() { return data_; }
  size_t size() const { return n_; }
  T& operator[](size_t i) { return data_[i]; }
  std::span<T> span() { return {data_, n_}; }

 private:
  uint8_t* base_;
  T* data_;
  size_t n_, bytes_;
};

}  // namespace onebit::gpu::emulator
