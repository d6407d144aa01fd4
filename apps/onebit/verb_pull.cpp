// onebit pull: a model from the hub, the web or a file into the store.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>

#include <unistd.h>

#include "store/pull.h"
#include "store_json.h"
#include "verb.h"

namespace onebit::cli {
namespace {

std::atomic<bool> g_interrupted{false};

std::string amount(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  double v = static_cast<double>(bytes);
  size_t unit = 0;
  while (v >= 1000 && unit + 1 < std::size(kUnits)) v /= 1000, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.{}f} {}", v, v < 10 ? 2 : v < 100 ? 1 : 0, kUnits[unit]);
}

// The line on a terminal: name, bar, amounts, rate and time left. The rate is that of the last seconds.
class Bar {
 public:
  explicit Bar(bool enabled) : shown_(enabled && isatty(STDERR_FILENO)) {}
  ~Bar() { clear(); }

  void begin(const std::string& file, size_t index, size_t count) {
    what_ = count > 1 ? fmt::format("{} ({} of {})", file, index + 1, count) : file;
    rate_ = 0;
    last_ = {};
  }

  void clear() {
    if (std::exchange(drawn_, false)) fmt::print(stderr, "\r\033[K");
  }

  void update(uint64_t done, uint64_t total) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds kPeriod{250};
    if (!shown_) return;
    const auto now = Clock::now();
    if (last_ == Clock::time_point{} || done < bytes_) {
      last_ = now;
      bytes_ = done;
    }
    if (now - last_ < kPeriod && drawn_) return;
    const double seconds = std::chrono::duration<double>(now - last_).count();
    if (seconds > 0) {
      const double current = static_cast<double>(done - bytes_) / seconds;
      rate_ = rate_ == 0 ? current : 0.8 * rate_ + 0.2 * current;
    }
    last_ = now;
    bytes_ = done;
    draw(done, total);
  }

 private:
  void draw(uint64_t done, uint64_t total) {
    constexpr size_t kWidth = 28;
    std::string line = what_;
    if (total > 0) {
      const auto filled = static_cast<size_t>(static_cast<double>(kWidth) * static_cast<double>(std::min(done, total)) / static_cast<double>(total));
      line += fmt::format(" [{}{}] {:3d} %  {} of {}", std::string(filled, '#'), std::string(kWidth - filled, ' '), done * 100 / total, amount(done), amount(total));
    } else {
      line += fmt::format("  {}", amount(done));
    }
    if (rate_ > 0) line += fmt::format("  {}/s", amount(static_cast<uint64_t>(rate_)));
    if (rate_ > 0 && total > done) {
      const auto left = static_cast<uint64_t>(static_cast<double>(total - done) / rate_);
      line += fmt::format("  {}:{:02} left", left / 60, left % 60);
    }
    fmt::print(stderr, "\r\033[K{}", line);
    std::fflush(stderr);
    drawn_ = true;
  }

  bool shown_, drawn_ = false;
  std::string what_;
  std::chrono::steady_clock::time_point last_{};
  uint64_t bytes_ = 0;
  double rate_ = 0;
};

struct Limits {
  int64_t max_gigabytes = 256, retries = 5, stall = 30;
};

Status run(std::span<const char* const> args) {
  store::PullOptions options = store::pull_options_from_environment();
  std::vector<std::string> sources;
  Limits limits;
  bool quiet = false, json = false;
  Flags flags("onebit pull", "fetch a model into the store", "onebit pull bitnet-2b-4t");
  flags.positional("SOURCE", "a known name (onebit list), hf://OWNER/REPO[@REVISION][/FILE], https://... or file://...", &sources, 1);
  flags.text("--name", "NAME", "what to call it; default: made from the source", &options.name);
  flags.text("--sha256", "HEX", "digest that the file has to have", &options.sha256);
  flags.toggle("--force", "fetch again, in place of what has the name", &options.force);
  flags.toggle("--allow-http", "accept plain http beyond this machine", &options.download.http.allow_http);
  flags.toggle("--allow-private", "follow redirects to addresses that are not public", &options.download.http.allow_private);
  flags.integer("--max-size", "refuse files above N GB", &limits.max_gigabytes, 1, 1 << 20);
  flags.integer("--retries", "tries in a row that bring next to nothing", &limits.retries, 0, 1000);
  flags.integer("--stall-timeout", "seconds without data before another try", &limits.stall, 1, 3600);
  flags.toggle("--quiet", "print the path of the model and nothing else", &quiet);
  flags.toggle("--json", "one JSON object on stdout", &json);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (sources.size() != 1) return fail(Errc::usage, "SOURCE is missing (see 'onebit pull --help')");
  ONEBIT_ASSIGN(const store::Source source, store::parse_source(sources[0]));
  ONEBIT_ASSIGN(const store::Store models, store::Store::open_default());
  options.download.max_bytes = static_cast<uint64_t>(limits.max_gigabytes) * 1'000'000'000;
  options.download.retries = static_cast<unsigned>(limits.retries);
  options.download.http.stall = std::chrono::seconds(limits.stall);

  // The first signal ends the transfer, what has come stays; the second ends the program.
  for (const int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int) {
      if (g_interrupted.exchange(true)) std::_Exit(130);
    });
  Bar bar(!quiet);
  options.begin_file = [&bar](const std::string& file, size_t index, size_t count) { bar.begin(file, index, count); };
  options.download.progress = [&bar](uint64_t bytes, uint64_t total) {
    bar.update(bytes, total);
    return !g_interrupted.load();
  };
  options.download.note = [&bar, quiet](const std::string& text) {
    bar.clear();
    if (!quiet) fmt::print(stderr, "{}\n", text);
  };
  auto pulled = store::pull(models, source, options);
  bar.clear();
  if (!pulled && pulled.error().code == Errc::cancelled)
    return fail(Errc::cancelled, "interrupted; the same command goes on where it stopped");
  if (!pulled) return std::unexpected(std::move(pulled).error());
  if (json) {
    auto j = entry_json(pulled->entry);
    j["already_there"] = pulled->already;
    j["resumed_at"] = pulled->resumed_at;
    fmt::print("{}\n", j.dump(2));
  } else if (quiet) {
    fmt::print("{}\n", pulled->entry.path());
  } else {
    fmt::print("{}: {}{}, {}\n", pulled->entry.name, pulled->already ? "there already, " : "", amount(pulled->entry.bytes()), pulled->entry.path());
  }
  return {};
}

}  // namespace

const Verb pull_verb{"pull", "fetch a model from the Hugging Face hub, the web or a file into the store", run};

}  // namespace onebit::cli
