// The texts that one HTTP request asked for, from the scheduler to the connection's thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/service.h"

namespace onebit::server {

struct TokenLog {
  Token token;
  std::string bytes;
  float logprob;
  std::vector<std::pair<std::string, float>> top;
};

// Some more of one text, or its end.
struct Piece {
  size_t index = 0;                // prompt * n + choice
  std::string text{};
  std::vector<TokenLog> logs{};
  std::optional<RequestEnd> end{};
};

class Generation {
 public:
  // Every prompt n times; choice k of a prompt has the seed + k. Errors: those of Scheduler::submit, as an HTTP status.
  static Api<std::unique_ptr<Generation>> start(Service& service, std::vector<std::vector<Token>> prompts, const GenerationParams& params,
                                                std::shared_ptr<const Grammar> grammar);
  // One embedding for each prompt: pieces with nothing but an end.
  static Api<std::unique_ptr<Generation>> embed(Service& service, std::vector<std::vector<Token>> prompts);
  ~Generation();  // cancels what has not ended

  // Waits for a piece. Nothing: all texts have ended, or the client has closed `socket`.
  std::optional<Piece> next(int socket);
  bool client_gone() const { return client_gone_; }

 private:
  class Outbox;
  explicit Generation(Service& service) : service_(service) {}
  static Api<std::unique_ptr<Generation>> submit(Service& service, std::vector<Request> requests, std::shared_ptr<Outbox> outbox);

  Service& service_;
  std::shared_ptr<Outbox> outbox_;
  std::vector<uint64_t> ids_;
  bool client_gone_ = false;
};

// As the API spells it: "stop" or "length".
const char* finish_reason(Ending ending);
// Of a text that ended by a fault or a timeout.
std::optional<ApiError> ending_error(const RequestEnd& end);

}  // namespace onebit::server
