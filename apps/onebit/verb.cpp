#include "verb.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include <unistd.h>

namespace onebit::cli {

namespace {
FlagRecorder g_recorder;
}

void record_flags(FlagRecorder recorder) { g_recorder = std::move(recorder); }

Status parse_flags(Flags& flags, std::span<const char* const> args, bool* done) {
  if (g_recorder) {
    g_recorder(flags);
    *done = true;
    return {};
  }
  ONEBIT_TRY(flags.parse(args));
  *done = flags.help_wanted();
  if (*done) fmt::print("{}", flags.help());
  return {};
}

Progress::Progress(const char* what, bool enabled) : what_(what), shown_(enabled && isatty(STDERR_FILENO)) {}

Progress::~Progress() {
  if (shown_ && last_ >= 0) fmt::print(stderr, "\r\033[K");
}

void Progress::update(double fraction) {
  constexpr int kWidth = 40;
  if (!shown_) return;
  const int percent = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * 100);
  if (percent == last_) return;
  last_ = percent;
  const size_t filled = static_cast<size_t>(percent * kWidth / 100);
  fmt::print(stderr, "\r{} [{}{}] {:3d} %", what_, std::string(filled, '#'), std::string(kWidth - filled, ' '), percent);
  std::fflush(stderr);
}

}  // namespace onebit::cli
