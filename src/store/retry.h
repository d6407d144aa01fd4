// How long to wait before another try.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "store/http.h"

namespace onebit::store {

// `backoff` doubled with every try that brought nothing, or what the server asked for, up to a minute. Asks `go_on` meanwhile: false ends
// the wait with Errc::cancelled.
inline Status wait_before_retry(std::chrono::milliseconds backoff, unsigned fruitless, const HttpFailure& failure, const std::function<bool()>& go_on,
                                const std::function<void(const std::string&)>& note) {
  using std::chrono::milliseconds;
  constexpr milliseconds kLongest{60'000}, kStep{100};
  milliseconds wait = std::min(kLongest, backoff * (1u << std::min(fruitless, 10u)));
  if (failure.retry_after) wait = std::min(kLongest, std::max(wait, milliseconds(std::min<uint64_t>(*failure.retry_after, 60) * 1000)));
  if (note) note(fmt::format("{}; again in {:.1f} s", failure.error.message, static_cast<double>(wait.count()) / 1000));
  for (milliseconds left = wait; left.count() > 0; left -= std::min(left, kStep)) {
    if (!go_on()) return fail(Errc::cancelled, "interrupted");
    std::this_thread::sleep_for(std::min(left, kStep));
  }
  return {};
}

}  // namespace onebit::store
