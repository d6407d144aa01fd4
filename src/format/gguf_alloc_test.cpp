// Failure class "free on an error path": every allocation of a parse fails once. The replaced operators
// count down; what the parse had built by then must be released (the leak sanitizer looks) and nothing twice.
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "format/gguf.h"
#include "format/gguf_test_bytes.h"

namespace {
thread_local long allocations_left = -1;  // negative: no limit
}

// Kept out of line: inlined, g++ sees free() release what "new" made and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace onebit {
namespace {

TEST(GgufAllocation, EveryFailureIsClean) {
  const auto bytes = test::small_gguf();
  const std::string name = "a name too long for the string itself to hold.gguf";
  long failures = 0;
  for (long n = 0;; ++n) {
    allocations_left = n;
    bool parsed = false;
    try {
      const auto g = Gguf::parse(bytes, name);
      parsed = g.has_value();
      allocations_left = -1;
      ASSERT_TRUE(parsed) << g.error().message;
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    allocations_left = -1;
    if (parsed) break;
    ASSERT_LT(n, 10000);
  }
  EXPECT_GT(failures, 10);
}

}  // namespace
}  // namespace onebit
