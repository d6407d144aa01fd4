#include "server/generation.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <mutex>
#include <random>

#include "server/text_stream.h"

namespace onebit::server {

// Filled by the engine's thread, emptied by the connection's, which sleeps in poll() on both the event and its socket.
class Generation::Outbox {
 public:
  explicit Outbox(size_t texts) : running_(texts), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Outbox() {
    if (event_ >= 0) close(event_);
  }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  bool usable() const { return event_ >= 0; }

  void put(Piece piece) {
    {
      const std::lock_guard lock(mutex_);
      running_ -= piece.end.has_value();
      pieces_.push_back(std::move(piece));
    }
    const uint64_t one = 1;
    (void)!write(event_, &one, sizeof one);
  }

  std::optional<Piece> take(int socket, bool* gone) {
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (!pieces_.empty()) {
          Piece piece = std::move(pieces_.front());
          pieces_.pop_front();
          return piece;
        }
        if (running_ == 0) return std::nullopt;
      }
      pollfd wait[2] = {{event_, POLLIN, 0}, {socket, POLLRDHUP, 0}};
      const int n = poll(wait, socket >= 0 ? 2 : 1, -1);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 || wait[1].revents != 0) {
        *gone = true;
        return std::nullopt;
      }
      uint64_t count = 0;
      (void)!read(event_, &count, sizeof count);
    }
  }

 private:
  std::mutex mutex_;
  std::deque<Piece> pieces_;
  size_t running_;
  int event_;
};

namespace {

// Of one text, used by the engine's thread only.
struct Writer {
  size_t index;
  const Tokenizer& tokenizer;
  TextStream stream;
  std::vector<TokenLog> held{};   // of tokens whose text is held back
};

}  // namespace

Api<std::unique_ptr<Generation>> Generation::submit(Service& service, std::vector<Request> requests, std::shared_ptr<Outbox> outbox) {
  if (!outbox->usable()) return std::unexpected(ApiError{503, "the process has no file descriptor left", "", "overloaded", 1});
  std::unique_ptr<Generation> g(new Generation(service));
  g->outbox_ = std::move(outbox);
  const double timeout = service.options().timeout_s;
  for (Request& r : requests)
    if (timeout > 0) r.deadline = Request::Clock::now() + std::chrono::duration_cast<Request::Clock::duration>(std::chrono::duration<double>(timeout));
  auto ids = service.scheduler().submit(std::move(requests));
  if (!ids) {
    const Refusal& refusal = ids.error();
    if (!refusal.busy) return std::unexpected(ApiError{400, refusal.error.message, "", "invalid_value"});
    const bool draining = refusal.error.message.find("shutting down") != std::string::npos;
    return std::unexpected(ApiError{draining ? 503 : 429, refusal.error.message, "", draining ? "shutting_down" : "queue_full", 1});
  }
  g->ids_ = std::move(*ids);
  return g;
}

Api<std::unique_ptr<Generation>> Generation::start(Service& service, std::vector<std::vector<Token>> prompts, const GenerationParams& params,
                                                   std::shared_ptr<const Grammar> grammar) {
  const size_t n = static_cast<size_t>(params.n);
  auto outbox = std::make_shared<Outbox>(prompts.size() * n);
  std::random_device random;
  const uint64_t seed = params.seeded ? params.sampling.seed : uint64_t{random()} << 32 | random();
  std::vector<Request> requests;
  for (size_t i = 0; i < prompts.size() * n; ++i) {
    Request r;
    r.prompt = prompts[i / n];
    r.sampling = params.sampling;
    r.sampling.seed = seed + i % n;
    r.limit = params.max_tokens;
    r.ignore_end = params.ignore_end;
    r.top_logprobs = static_cast<int>(params.top_logprobs);
    if (grammar) {
      auto constraint = service.constraint(grammar);
      if (!constraint) return std::unexpected(ApiError{400, constraint.error().message, "response_format", "invalid_value"});
      r.constraint = std::move(*constraint);
    }
    const auto writer = std::make_shared<Writer>(Writer{i, service.tokenizer(), TextStream(params.stop)});
    const bool logs = params.top_logprobs >= 0;
    r.on_token = [writer, outbox, logs](const Generated& g) {
      const std::string bytes = writer->tokenizer.piece(g.token);
      if (logs) {
        TokenLog log{g.token, bytes, g.logprob, {}};
        for (const TokenChance& c : g.top) log.top.emplace_back(writer->tokenizer.piece(c.token, true), c.logprob);
        writer->held.push_back(std::move(log));
      }
      Piece piece{writer->index, writer->stream.push(bytes)};
      // A log goes out with the text of its token; those of a stop string never do.
      if (writer->stream.stopped())
        writer->held.clear();
      else if (!piece.text.empty())
        piece.logs = std::exchange(writer->held, {});
      if (!piece.text.empty() || !piece.logs.empty()) outbox->put(std::move(piece));
      return !writer->stream.stopped();
    };
    r.on_end = [writer, outbox, metrics = service.metrics()](RequestEnd&& end) {
      if (metrics) metrics->ended(end.stats);
      Piece piece{writer->index, writer->stream.stopped() ? std::string() : writer->stream.finish(), std::move(writer->held)};
      piece.end = std::move(end);
      outbox->put(std::move(piece));
    };
    requests.push_back(std::move(r));
  }
  return submit(service, std::move(requests), std::move(outbox));
}

Api<std::unique_ptr<Generation>> Generation::embed(Service& service, std::vector<std::vector<Token>> prompts) {
  auto outbox = std::make_shared<Outbox>(prompts.size());
  std::vector<Request> requests;
  for (size_t i = 0; i < prompts.size(); ++i) {
    Request r;
    r.prompt = std::move(prompts[i]);
    r.embedding = true;
    r.on_end = [i, outbox](RequestEnd&& end) {
      Piece piece;
      piece.index = i;
      piece.end = std::move(end);
      outbox->put(std::move(piece));
    };
    requests.push_back(std::move(r));
  }
  return submit(service, std::move(requests), std::move(outbox));
}

Generation::~Generation() {
  for (const uint64_t id : ids_) service_.scheduler().cancel(id);
}

std::optional<Piece> Generation::next(int socket) { return outbox_->take(socket, &client_gone_); }

const char* finish_reason(Ending ending) { return ending == Ending::length ? "length" : "stop"; }

std::optional<ApiError> ending_error(const RequestEnd& end) {
  switch (end.ending) {
    case Ending::failed: return ApiError{500, end.error.message, "", "failed"};
    case Ending::timed_out: return ApiError{504, "the request took longer than the server allows", "", "timeout"};
    case Ending::cancelled: return ApiError{503, "the request was cancelled: the server is shutting down", "", "shutting_down"};
    default: return std::nullopt;
  }
}

}  // namespace onebit::server
