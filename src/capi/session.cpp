// Sessions: feed, generate, cancel, logits. Every forward pass, and whatever else touches the engine, happens in the
// session's turn; callbacks and waiting happen outside of it.
#include "capi/handles.h"

namespace onebit::capi {
namespace {

constexpr uint32_t kDefaultBatch = 512, kMostBatch = 65536;
constexpr onebit_session_options kDefaults{.struct_size = sizeof(onebit_session_options), .context = 0, .batch = 0, .kv_type = ONEBIT_KV_F16, .reserved = 0};

Value<SessionOptions> session_options(const onebit_session_options& o) {
  SessionOptions s;
  s.context = o.context;
  if (o.batch > kMostBatch) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "batch is {}, expected 0 to {}", o.batch, kMostBatch);
  s.batch = o.batch ? o.batch : kDefaultBatch;
  switch (o.kv_type) {
    case ONEBIT_KV_F16: s.kv = cpu::KvType::f16; break;
    case ONEBIT_KV_F32: s.kv = cpu::KvType::f32; break;
    case ONEBIT_KV_Q8: s.kv = cpu::KvType::q8; break;
    default: return refuse(ONEBIT_ERROR_ARGUMENT, "kv_type is {}, expected one of ONEBIT_KV_*", o.kv_type);
  }
  if (o.reserved != 0) return refuse(ONEBIT_ERROR_UNSUPPORTED, "reserved is {}, expected 0", o.reserved);
  return s;
}

// The body of a call on a session: nobody else uses it, and it is in a known state.
template <class Body>
onebit_status on_session(const onebit_session* session, Body&& body) noexcept {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(session);
    const Use use(session->busy);
    ONEBIT_TRY(use.check("session"));
    if (session->broken) return refuse(ONEBIT_ERROR_STATE, "the session was lost by an earlier failure inside the library, expected it to be freed");
    return body();
  });
}
// The same where the text may change: an exception on the way leaves it in no known state.
template <class Body>
onebit_status changing(onebit_session* session, Body&& body) noexcept {
  return on_session(session, [&]() -> Outcome {
    try {
      return body();
    } catch (...) {
      session->broken = true;
      throw;
    }
  });
}

// Call it in the session's turn, before a forward pass.
Outcome go_on(onebit_session& s) {
  if (!s.cancelled.exchange(false)) return {};
  return refuse(ONEBIT_ERROR_CANCELLED, "cancelled at {} tokens", s.session.tokens().size());
}

Outcome fits(const onebit_session& s, size_t n) {
  const size_t used = s.session.tokens().size(), context = s.session.context();
  if (n <= context - used) return {};
  return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "{} tokens do not fit: {} of the {} positions of the context are in use", n, used, context);
}

// Ids are looked at before the first batch, so that a bad one far behind does not leave half a text.
Outcome known(const onebit_session& s, std::span<const Token> ids) {
  const uint32_t vocab = s.shared->engine->model().config().vocab;
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || static_cast<uint32_t>(ids[i]) >= vocab)
      return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "token {} has the id {}, expected 0 to {}", i, ids[i], vocab - 1);
  return {};
}

// Call it in the session's turn: the hidden state becomes that of the last token.
Outcome refresh(onebit_session& s) {
  if (s.session.tokens().empty()) return refuse(ONEBIT_ERROR_STATE, "the text is empty, expected a token to go on from");
  if (!s.stale) return {};
  const Token last = s.session.tokens().back();
  s.session.truncate(static_cast<uint32_t>(s.session.tokens().size() - 1));
  ONEBIT_TRY(s.session.append(last));
  s.stale = false;
  return {};
}

Outcome feed(onebit_session& s, std::span<const Token> ids, onebit_feed_progress progress, void* user) {
  ONEBIT_TRY(fits(s, ids.size()));
  ONEBIT_TRY(known(s, ids));
  for (size_t at = 0; at < ids.size();) {
    const size_t n = std::min<size_t>(s.batch, ids.size() - at);
    {
      const std::lock_guard turn(s.shared->turns);
      ONEBIT_TRY(go_on(s));
      ONEBIT_TRY(s.session.feed(ids.subspan(at, n)));
      s.stale = false;
    }
    at += n;
    if (!progress) continue;
    ONEBIT_ASSIGN(const int32_t stop, call_back<int32_t>("progress", [&] { return progress(user, static_cast<double>(at) / static_cast<double>(ids.size())); }));
    if (stop && at < ids.size()) return refuse(ONEBIT_ERROR_CANCELLED, "stopped by progress after {} of {} tokens", at, ids.size());
  }
  return {};
}

Outcome feed_hidden(onebit_session& s, std::span<const Token> ids, float* hidden, size_t capacity) {
  ONEBIT_TRY(fits(s, ids.size()));
  ONEBIT_TRY(known(s, ids));
  const size_t dim = s.shared->engine->model().config().dim;
  if (ids.empty()) return {};
  ONEBIT_NEEDED(hidden);
  if (capacity / dim < ids.size())
    return refuse(ONEBIT_ERROR_TOO_SMALL, "hidden takes {} floats, expected at least {} tokens of {}", capacity, ids.size(), dim);
  for (size_t at = 0; at < ids.size();) {
    const size_t n = std::min<size_t>(s.batch, ids.size() - at);
    const std::lock_guard turn(s.shared->turns);
    ONEBIT_TRY(go_on(s));
    ONEBIT_TRY(s.session.feed_all(ids.subspan(at, n), hidden + at * dim));
    s.stale = false;
    at += n;
  }
  return {};
}

Value<Token> choose(onebit_session& s, Sampler& sampler) {
  const std::lock_guard turn(s.shared->turns);
  ONEBIT_TRY(go_on(s));
  ONEBIT_TRY(refresh(s));
  ONEBIT_ASSIGN(const Token token, s.session.choose(sampler));
  sampler.accept(token);
  return token;
}

// What was chosen joins the text even where a cancel came meanwhile: the sampler has accepted it.
Outcome append(onebit_session& s, Token token) {
  const std::lock_guard turn(s.shared->turns);
  ONEBIT_TRY(s.session.append(token));
  s.stale = false;
  return {};
}

bool full(const onebit_session& s) { return s.session.tokens().size() == s.session.context(); }

struct Generation {
  int64_t limit;
  bool ignore_end;
  onebit_on_token on_token;
  void* user;
};

// Step by step what Session::generate does.
Value<int32_t> generate(onebit_session& s, Sampler& sampler, const Generation& g) {
  const Tokenizer& tokenizer = s.shared->engine->tokenizer();
  for (int64_t n = 0; g.limit < 0 || n < g.limit; ++n) {
    if (full(s)) break;
    ONEBIT_ASSIGN(const Token token, choose(s, sampler));
    const bool end = tokenizer.is_end(token) && !g.ignore_end;
    int32_t stop = 0;
    if (!end && g.on_token) {
      const std::string bytes = tokenizer.piece(token);
      ONEBIT_ASSIGN(stop, call_back<int32_t>("on_token", [&] { return g.on_token(g.user, token, bytes.data(), bytes.size()); }));
    }
    ONEBIT_TRY(append(s, token));
    if (end) return ONEBIT_FINISH_END;
    if (stop) return ONEBIT_FINISH_STOPPED;
  }
  return ONEBIT_FINISH_LENGTH;
}

Outcome room(const void* out, const char* name, size_t capacity, size_t wanted) {
  ONEBIT_TRY(needed(out, name));
  if (capacity >= wanted) return {};
  return refuse(ONEBIT_ERROR_TOO_SMALL, "{} takes {} floats, expected at least {}", name, capacity, wanted);
}

}  // namespace
}  // namespace onebit::capi

using namespace onebit;
using namespace onebit::capi;

extern "C" {

onebit_status onebit_session_options_init(onebit_session_options* options, size_t struct_size) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(options);
    return write_struct(options, kDefaults, struct_size, "options");
  });
}

onebit_status onebit_session_create(const onebit_model* model, const onebit_session_options* options, onebit_session** session) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(model);
    ONEBIT_NEEDED(session);
    ONEBIT_ASSIGN(const onebit_session_options o, read_options(options, kDefaults, "options"));
    ONEBIT_ASSIGN(const SessionOptions s, session_options(o));
    ONEBIT_ASSIGN(Session made, Session::create(*model->shared->engine, s));
    *session = new onebit_session(model->shared, std::move(made), s.batch);
    return {};
  });
}

void onebit_session_free(onebit_session* session) { delete session; }

onebit_status onebit_session_get_info(const onebit_session* session, onebit_session_info* info) {
  return on_session(session, [&]() -> Outcome {
    const auto tokens = static_cast<uint32_t>(session->session.tokens().size());
    return write_info(info, onebit_session_info{.struct_size = 0,
                                                .tokens = tokens,
                                                .context = session->session.context(),
                                                .kv_bytes = session->session.kv().bytes(tokens)});
  });
}

onebit_status onebit_session_tokens(const onebit_session* session, int32_t* tokens, size_t capacity, size_t* count) {
  return on_session(session, [&] { return write_array(session->session.tokens(), tokens, capacity, count); });
}

onebit_status onebit_session_feed(onebit_session* session, const int32_t* tokens, size_t n, onebit_feed_progress progress, void* user) {
  return changing(session, [&]() -> Outcome {
    ONEBIT_ASSIGN(const auto ids, read_array(tokens, n, "tokens"));
    return feed(*session, ids, progress, user);
  });
}

onebit_status onebit_session_feed_hidden(onebit_session* session, const int32_t* tokens, size_t n, float* hidden, size_t capacity) {
  return changing(session, [&]() -> Outcome {
    ONEBIT_ASSIGN(const auto ids, read_array(tokens, n, "tokens"));
    return feed_hidden(*session, ids, hidden, capacity);
  });
}

onebit_status onebit_session_append(onebit_session* session, int32_t token) {
  return changing(session, [&]() -> Outcome {
    ONEBIT_TRY(fits(*session, 1));
    ONEBIT_TRY(known(*session, {&token, 1}));
    const std::lock_guard turn(session->shared->turns);
    ONEBIT_TRY(go_on(*session));
    ONEBIT_TRY(session->session.append(token));
    session->stale = false;
    return {};
  });
}

onebit_status onebit_session_truncate(onebit_session* session, size_t count) {
  return changing(session, [&]() -> Outcome {
    const size_t have = session->session.tokens().size();
    if (count > have) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "truncate to {} tokens, the text has {}", count, have);
    session->session.truncate(static_cast<uint32_t>(count));
    session->stale |= count < have;
    return {};
  });
}

onebit_status onebit_session_logits(onebit_session* session, float* logits, size_t capacity) {
  return changing(session, [&]() -> Outcome {
    Engine& engine = *session->shared->engine;
    ONEBIT_TRY(room(logits, "logits", capacity, engine.model().config().vocab));
    const std::lock_guard turn(session->shared->turns);
    ONEBIT_TRY(refresh(*session));
    engine.model().head().logits(engine.compute(), session->session.hidden(), 1, logits);
    return {};
  });
}

onebit_status onebit_session_hidden(onebit_session* session, float* hidden, size_t capacity) {
  return changing(session, [&]() -> Outcome {
    const size_t dim = session->shared->engine->model().config().dim;
    ONEBIT_TRY(room(hidden, "hidden", capacity, dim));
    const std::lock_guard turn(session->shared->turns);
    ONEBIT_TRY(refresh(*session));
    std::copy_n(session->session.hidden(), dim, hidden);
    return {};
  });
}

onebit_status onebit_session_top(onebit_session* session, uint32_t k, onebit_token_logit* top, uint32_t* count) {
  return changing(session, [&]() -> Outcome {
    ONEBIT_NEEDED(top);
    ONEBIT_NEEDED(count);
    Engine& engine = *session->shared->engine;
    const uint32_t vocab = engine.model().config().vocab;
    if (k == 0 || k > vocab) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "k is {}, expected 1 to {}", k, vocab);
    std::vector<cpu::TokenLogit> best;
    {
      const std::lock_guard turn(session->shared->turns);
      ONEBIT_TRY(refresh(*session));
      engine.model().head().top(engine.compute(), session->session.hidden(), k, best);
    }
    for (const cpu::TokenLogit& l : best) *top++ = {l.token, l.logit};
    *count = static_cast<uint32_t>(best.size());
    return {};
  });
}

onebit_status onebit_session_generate(onebit_session* session, onebit_sampler* sampler, int64_t limit, uint32_t flags, onebit_on_token on_token,
                                      void* user, int32_t* finish) {
  return changing(session, [&]() -> Outcome {
    ONEBIT_NEEDED(sampler);
    ONEBIT_TRY(known_flags(flags, ONEBIT_GENERATE_IGNORE_END, "onebit_session_generate"));
    if (limit < -1) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "limit is {}, expected -1 or more", limit);
    if (session->session.tokens().empty()) return refuse(ONEBIT_ERROR_STATE, "the text is empty, expected a token to go on from");
    const Use use(sampler->busy);
    ONEBIT_TRY(use.check("sampler"));
    ONEBIT_ASSIGN(const int32_t why,
                  generate(*session, sampler->sampler, {limit, (flags & ONEBIT_GENERATE_IGNORE_END) != 0, on_token, user}));
    if (finish) *finish = why;
    return {};
  });
}

onebit_status onebit_session_next(onebit_session* session, onebit_sampler* sampler, uint32_t flags, int32_t* token, int32_t* finish) {
  return changing(session, [&]() -> Outcome {
    ONEBIT_NEEDED(sampler);
    ONEBIT_NEEDED(token);
    ONEBIT_NEEDED(finish);
    ONEBIT_TRY(known_flags(flags, ONEBIT_GENERATE_IGNORE_END, "onebit_session_next"));
    const Use use(sampler->busy);
    ONEBIT_TRY(use.check("sampler"));
    if (full(*session)) {
      *token = -1;
      *finish = ONEBIT_FINISH_LENGTH;
      return {};
    }
    ONEBIT_ASSIGN(const Token chosen, choose(*session, sampler->sampler));
    ONEBIT_TRY(append(*session, chosen));
    *token = chosen;
    const bool end = session->shared->engine->tokenizer().is_end(chosen) && !(flags & ONEBIT_GENERATE_IGNORE_END);
    *finish = end ? ONEBIT_FINISH_END : ONEBIT_FINISH_NONE;
    return {};
  });
}

onebit_status onebit_session_cancel(onebit_session* session) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(session);
    session->cancelled = true;
    return {};
  });
}

onebit_status onebit_session_clear_cancel(onebit_session* session) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(session);
    session->cancelled = false;
    return {};
  });
}

}
