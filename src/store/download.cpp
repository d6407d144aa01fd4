#include "store/download.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/partial_file.h"
#include "store/retry.h"
#include "store/url.h"

namespace onebit::store {
namespace {

constexpr unsigned kRestarts = 3;

// What one try came to, when nothing is wrong that would end the download.
enum class Outcome { complete, broken, changed };

class Download {
 public:
  Download(const Wanted& wanted, const std::string& path, const DownloadOptions& options, std::string shown)
      : wanted_(wanted), path_(path), options_(options), shown_(std::move(shown)) {}

  Result<Fetched> run() {
    // The state names the URL without credentials and query, which may be secrets.
    ONEBIT_TRY(file_.open(path_, shown_, !wanted_.sha256.empty()));
    fetched_.resumed_at = file_.size();
    if (file_.size() > 0) note(fmt::format("{}: going on after {} bytes", shown_, file_.size()));
    pieced_ = file_.size() > 0;
    for (;;) {
      ONEBIT_TRY(fetch());
      const std::string expected = wanted_.sha256.empty() ? linked_sha256_ : wanted_.sha256;
      fetched_.bytes = file_.size();
      fetched_.sha256 = file_.digest();
      if (expected.empty() || expected == fetched_.sha256) break;
      const std::string what = fmt::format("{}: SHA-256 {}, expected {}", shown_, fetched_.sha256, expected);
      if (!pieced_) {
        file_.discard();
        return fail(Errc::format, "{}", what);
      }
      note(what + "; once more from the start");
      ONEBIT_TRY(start_over());
    }
    ONEBIT_TRY(file_.finish());
    return fetched_;
  }

 private:
  void note(const std::string& text) const {
    if (options_.note) options_.note(text);
  }
  bool go_on() const { return !options_.progress || options_.progress(file_.size(), expected_total().value_or(0)); }

  std::optional<uint64_t> expected_total() const { return wanted_.size ? wanted_.size : file_.total(); }

  Status start_over() {
    fetched_.resumed_at = 0;
    pieced_ = false;
    return file_.restart();
  }

  // Until the file is whole.
  Status fetch() {
    unsigned fruitless = 0, restarts = 0;
    for (;;) {
      if (wanted_.size && file_.size() == *wanted_.size && !wanted_.sha256.empty()) return {};
      const uint64_t before = file_.size();
      auto outcome = attempt();
      if (outcome && *outcome == Outcome::complete) return {};
      if (outcome && *outcome == Outcome::changed) {
        if (++restarts > kRestarts) return fail(Errc::io, "{}: the file changes while it is fetched", shown_);
        note(fmt::format("{}: the file has changed, from the start", shown_));
        ONEBIT_TRY(start_over());
        continue;
      }
      HttpFailure failure = outcome ? HttpFailure{{Errc::io, fmt::format("{}: {} bytes of {} came", shown_, file_.size(), expected_total().value_or(0))}, true, {}}
                                    : std::move(outcome).error();
      if (!failure.retry) return std::unexpected(std::move(failure.error));
      pieced_ = file_.size() > 0;
      fruitless = file_.size() >= before + kProgressBytes ? 0 : fruitless + 1;
      if (fruitless > options_.retries) return with_context(std::move(failure.error), fmt::format("gave up after {} tries", fetched_.attempts));
      ONEBIT_TRY(wait_before_retry(options_.backoff, fruitless, failure, [this] { return go_on(); }, options_.note));
    }
  }

  // The head of a 200 or 206; sets changed_ where the bytes that are there belong to another file.
  Status begin(const HttpHead& head) {
    std::optional<uint64_t> total;
    if (head.status == 206) {
      if (!head.range || head.range->first != file_.size() || asked_from_ == 0) {
        changed_ = true;
        return fail(Errc::io, "{}: a part that was not asked for", shown_);
      }
      total = head.range->total;
      const bool other_size = total && file_.total() && *total != *file_.total();
      const bool other_tag = !head.etag.empty() && !file_.etag().empty() && head.etag != file_.etag();
      if (other_size || other_tag) {
        changed_ = true;
        return fail(Errc::io, "{}: another file", shown_);
      }
      if (!total) total = file_.total();
    } else {
      if (file_.size() > 0) ONEBIT_TRY(start_over());
      total = head.length;
    }
    if (head.linked_size) total_is(*head.linked_size);
    if (total) total_is(*total);
    if (!size_error_.empty()) return fail(Errc::format, "{}", size_error_);
    if (!head.linked_sha256.empty()) linked_sha256_ = head.linked_sha256;
    const uint64_t all = total.value_or(wanted_.size.value_or(0));
    if (all > options_.max_bytes) return fail(Errc::out_of_range, "{}: {} bytes, expected at most {}", shown_, all, options_.max_bytes);
    ONEBIT_TRY(file_.check_room(all));
    return file_.learn(head, total);
  }

  void total_is(uint64_t total) {
    if (wanted_.size && *wanted_.size != total) size_error_ = fmt::format("{}: {} bytes, expected {}", shown_, total, *wanted_.size);
  }

  Status take(const uint8_t* data, size_t size) {
    const uint64_t most = std::min(options_.max_bytes, expected_total().value_or(options_.max_bytes));
    if (size > most - std::min(most, file_.size())) return fail(Errc::out_of_range, "{}: more than {} bytes", shown_, most);
    return file_.append(data, size);
  }

  std::expected<Outcome, HttpFailure> attempt() {
    ++fetched_.attempts;
    changed_ = false;
    asked_from_ = file_.size();
    HttpSink sink;
    sink.head = [this](const HttpHead& head) { return begin(head); };
    sink.body = [this](const uint8_t* data, size_t size) { return take(data, size); };
    sink.go_on = [this] { return go_on(); };
    auto head = http_get({wanted_.url, wanted_.bearer, asked_from_, file_.validator()}, options_.http, sink);
    if (changed_) return Outcome::changed;
    if (!head) return std::unexpected(std::move(head).error());
    if (head->status == 416 && asked_from_ > 0) {
      const bool whole = head->range && head->range->total == asked_from_ && expected_total().value_or(asked_from_) == asked_from_;
      return whole ? Outcome::complete : Outcome::changed;
    }
    if (head->status != 200 && head->status != 206) return std::unexpected(refused(*head));
    const auto total = expected_total();
    return !total || *total == file_.size() ? Outcome::complete : Outcome::broken;
  }

  HttpFailure refused(const HttpHead& head) const {
    const bool retry = head.status == 408 || head.status == 425 || head.status == 429 || (head.status >= 500 && head.status != 501);
    std::string hint;
    if (head.status == 401 || head.status == 403)
      hint = wanted_.bearer.empty() ? "; a model that asks for consent needs HF_TOKEN" : "; HF_TOKEN was sent";
    return {{Errc::io, fmt::format("{}: status {}, expected 200{}", head.from, head.status, hint)}, retry, head.retry_after};
  }

  const Wanted& wanted_;
  const std::string& path_;
  const DownloadOptions& options_;
  const std::string shown_;
  PartialFile file_;
  Fetched fetched_;
  std::string linked_sha256_, size_error_;
  uint64_t asked_from_ = 0;
  bool changed_ = false;
  bool pieced_ = false;  // of more than one response
};

// file:///path: copied under the same rules of size, room and digest.
Result<Fetched> copy_file(const Wanted& wanted, const Url& url, const std::string& path, const DownloadOptions& options) {
  const int in = ::open(url.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (in < 0) return fail(Errc::io, "{}: cannot open: {}", url.path, std::strerror(errno));
  struct Close {
    int fd;
    ~Close() { close(fd); }
  } const closer{in};
  struct stat st{};
  if (fstat(in, &st) != 0 || !S_ISREG(st.st_mode)) return fail(Errc::io, "{}: not a regular file", url.path);
  const auto total = static_cast<uint64_t>(st.st_size);
  if (wanted.size && *wanted.size != total) return fail(Errc::format, "{}: {} bytes, expected {}", url.path, total, *wanted.size);
  if (total > options.max_bytes) return fail(Errc::out_of_range, "{}: {} bytes, expected at most {}", url.path, total, options.max_bytes);
  PartialFile out;
  ONEBIT_TRY(out.open(path, url.printable(), false));
  ONEBIT_TRY(out.restart());
  ONEBIT_TRY(out.check_room(total));
  std::vector<uint8_t> chunk(size_t{1} << 20);
  while (out.size() < total) {
    const ssize_t n = read(in, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Errc::io, "{}: cannot read: {}", url.path, std::strerror(errno));
    if (n == 0) return fail(Errc::io, "{}: {} bytes, expected {}", url.path, out.size(), total);
    ONEBIT_TRY(out.append(chunk.data(), static_cast<size_t>(n)));
    if (options.progress && !options.progress(out.size(), total)) return fail(Errc::cancelled, "interrupted");
  }
  Fetched fetched{out.size(), out.digest(), 0, 1};
  if (!wanted.sha256.empty() && wanted.sha256 != fetched.sha256) {
    out.discard();
    return fail(Errc::format, "{}: SHA-256 {}, expected {}", url.path, fetched.sha256, wanted.sha256);
  }
  ONEBIT_TRY(out.finish());
  return fetched;
}

}  // namespace

Result<Fetched> download(const Wanted& wanted, const std::string& path, const DownloadOptions& options) {
  ONEBIT_ASSIGN(const Url url, parse_url(wanted.url));
  if (url.scheme == "file") return copy_file(wanted, url, path, options);
  return Download(wanted, path, options, url.printable()).run();
}

}  // namespace onebit::store
