// onebit chat: a conversation in turns. Ctrl-C stops the answer, not the program.
#include <atomic>
#include <chrono>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <optional>

#include "chat_file.h"
#include "engine/chat_format.h"
#include "line_editor.h"
#include "model_flags.h"

namespace onebit::cli {
namespace {

std::atomic<bool> g_interrupted{false};

constexpr const char* kHelp =
    "/help               this text\n"
    "/clear              forget the conversation\n"
    "/save FILE          save the conversation\n"
    "/load FILE          go on with a saved conversation\n"
    "/set [NAME VALUE]   sampling: temp, top-k, top-p, min-p, repeat-penalty, seed, predict...; alone: show\n"
    "/stats              tokens, context, speed\n"
    "/bye                leave (as Ctrl-D)\n"
    "Ctrl-C stops an answer.\n";

// What belongs to ids: a file of the same architecture, shape and vocabulary. FNV-1a.
uint64_t fingerprint(const Engine& engine) {
  const ModelConfig& c = engine.model().config();
  uint64_t h = 0xcbf29ce484222325;
  const auto mix = [&h](std::string_view text) {
    for (const char ch : text) h = (h ^ static_cast<uint8_t>(ch)) * 0x100000001b3;
    h = (h ^ 0xff) * 0x100000001b3;
  };
  mix(fmt::format("{} {} {} {} {} {}", c.arch_name, c.layers, c.dim, c.heads, c.ffn, c.vocab));
  for (size_t i = 0; i < engine.tokenizer().size(); ++i) mix(engine.tokenizer().piece(static_cast<Token>(i), true));
  return h;
}

class Chat {
 public:
  Chat(Engine& engine, Session session, SamplerFlags sampling, int64_t predict, std::string system, bool quiet)
      : engine_(engine),
        session_(std::move(session)),
        sampling_(std::move(sampling)),
        predict_(predict),
        system_(std::move(system)),
        quiet_(quiet),
        style_(detect_chat_style(engine.model().config(), engine.tokenizer())) {}

  Status start() {
    ONEBIT_TRY(new_sampler());
    return begin();
  }
  Status loop();

 private:
  using Clock = std::chrono::steady_clock;

  Status new_sampler();
  Status begin();
  Status answer(const std::string& text);
  Status close_turn();
  Status feed(std::span<const Token> ids);
  Result<std::vector<Token>> encode_turn(const std::string& text) const;
  Status command(const std::string& line);
  Status set(const std::string& arguments);
  Status save(const std::string& path);
  Status load(const std::string& path);
  void stats() const;

  Engine& engine_;
  Session session_;
  SamplerFlags sampling_;
  int64_t predict_;
  std::string system_;
  bool quiet_;
  ChatStyle style_;
  std::optional<Sampler> sampler_;
  bool leave_ = false;
  size_t prompt_tokens_ = 0, decode_tokens_ = 0;
  double prompt_s_ = 0, decode_s_ = 0;
};

Status Chat::new_sampler() {
  ONEBIT_ASSIGN(SamplerOptions options, sampling_.finish());
  sampler_.emplace(std::move(options));
  for (const Token t : session_.tokens()) sampler_->accept(t);
  return {};
}

// An empty conversation, or one that holds the system message.
Status Chat::begin() {
  session_.truncate(0);
  sampler_->forget();
  if (system_.empty()) return {};
  ONEBIT_ASSIGN(const std::vector<Token> ids,
                encode_message(engine_.tokenizer(), style_, {"system", system_}, true, false));
  return feed(ids);
}

Status Chat::feed(std::span<const Token> ids) {
  const size_t before = session_.tokens().size();
  const auto start = Clock::now();
  Status status;
  {
    Progress bar("reading", !quiet_ && ids.size() > 512);
    status = session_.feed(ids, [&bar](double share) {
      bar.update(share);
      return !g_interrupted.load();
    });
  }
  if (!status) {
    session_.truncate(static_cast<uint32_t>(before));
    return status;
  }
  for (const Token t : ids) sampler_->accept(t);
  prompt_tokens_ += ids.size();
  prompt_s_ += std::chrono::duration<double>(Clock::now() - start).count();
  return {};
}

// A base model continues what was written, so a plain turn is the text alone.
Result<std::vector<Token>> Chat::encode_turn(const std::string& text) const {
  const bool first = session_.tokens().empty();
  if (style_ == ChatStyle::plain)
    return engine_.tokenizer().encode(text, {.add_special = first, .parse_special = false});
  return encode_message(engine_.tokenizer(), style_, {"user", text}, first, true);
}

// What the format puts behind an answer: an assistant's message without content, less its opening. The
// model may have said the first token of it.
Status Chat::close_turn() {
  const Tokenizer& t = engine_.tokenizer();
  ONEBIT_ASSIGN(const auto user, encode_message(t, style_, {"user", ""}, false, false));
  ONEBIT_ASSIGN(const auto user_and_opening, encode_message(t, style_, {"user", ""}, false, true));
  ONEBIT_ASSIGN(const auto whole, encode_message(t, style_, {"assistant", ""}, false, false));
  const size_t opening = user_and_opening.size() - user.size();
  std::span<const Token> closing(whole);
  closing = closing.subspan(std::min(opening, closing.size()));
  const bool ended = !session_.tokens().empty() && t.is_end(session_.tokens().back());
  if (ended && !closing.empty() && t.is_end(closing.front())) closing = closing.subspan(1);
  if (closing.size() > session_.context() - session_.tokens().size()) return {};  // the next turn says so
  return session_.feed(closing);
}

Status Chat::answer(const std::string& text) {
  ONEBIT_ASSIGN(const std::vector<Token> ids, encode_turn(text));
  const size_t before = session_.tokens().size();
  if (auto fed = feed(ids); !fed) {
    if (fed.error().code == Errc::out_of_range) fed.error().message += "; /clear starts over";
    return fed;
  }
  const auto start = Clock::now();
  size_t said = 0;
  auto finish = session_.generate(*sampler_, predict_, false, [&said](Token, const std::string& bytes) {
    ++said;
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    return std::fflush(stdout) == 0 && !g_interrupted.load();
  });
  decode_s_ += std::chrono::duration<double>(Clock::now() - start).count();
  decode_tokens_ += said;
  fmt::print("\n");
  if (std::fflush(stdout) != 0) return fail(Errc::io, "stdout: cannot write");
  if (!finish) {
    session_.truncate(static_cast<uint32_t>(before));
    return std::unexpected(finish.error());
  }
  if (*finish == Finish::length && session_.tokens().size() == session_.context() && !quiet_)
    fmt::print(stderr, "(the context of {} tokens is full; /clear starts over)\n", session_.context());
  return close_turn();
}

Status Chat::set(const std::string& arguments) {
  SamplerFlags changed = sampling_;
  int64_t predict = predict_;
  Flags flags("onebit chat", "/set", "/set temp 0.7");
  changed.add_to(flags);
  flags.integer("-n,--predict", "tokens of an answer; -1: no limit", &predict, -1, 1 << 24);
  const size_t space = arguments.find(' ');
  if (arguments.empty()) {
    const SamplerOptions& o = changed.options;
    fmt::print("temp {}  top-k {}  top-p {}  min-p {}  repeat-penalty {}  repeat-last-n {}  presence-penalty {}  "
               "frequency-penalty {}  seed {}  predict {}\n",
               o.temperature, o.top_k, o.top_p, o.min_p, o.repeat_penalty, o.repeat_last_n, o.presence_penalty,
               o.frequency_penalty, changed.seed, predict);
    return {};
  }
  if (space == std::string::npos) return fail(Errc::usage, "/set {}: a value is missing", arguments);
  const std::string name = "--" + arguments.substr(0, space), value = arguments.substr(space + 1);
  const char* const args[] = {name.c_str(), value.c_str()};
  ONEBIT_TRY(flags.parse(args));
  if (flags.help_wanted()) return fail(Errc::usage, "/set: unknown name 'help'");
  // The table of flags points into `changed`: its values are copied, not the table.
  const SamplerFlags old = std::exchange(sampling_, changed);
  if (auto s = new_sampler(); !s) {
    sampling_ = old;
    return s;
  }
  predict_ = predict;
  return {};
}

Status Chat::save(const std::string& path) {
  ChatFile chat{fingerprint(engine_), static_cast<uint32_t>(style_), {}};
  chat.ids.assign(session_.tokens().begin(), session_.tokens().end());
  ONEBIT_TRY(save_chat(path, chat));
  if (!quiet_) fmt::print(stderr, "saved {} tokens to {}\n", chat.ids.size(), path);
  return {};
}

// On an error the conversation is as it was.
Status Chat::load(const std::string& path) {
  ONEBIT_ASSIGN(const ChatFile chat, load_chat(path));
  if (chat.model != fingerprint(engine_)) return fail(Errc::format, "{}: saved with another model", path);
  if (chat.style != static_cast<uint32_t>(style_))
    return fail(Errc::format, "{}: chat format {}, expected {}", path, chat.style, static_cast<uint32_t>(style_));
  for (const int32_t id : chat.ids)
    if (id < 0 || static_cast<size_t>(id) >= engine_.tokenizer().size())
      return fail(Errc::format, "{}: token {}, expected 0 to {}", path, id, engine_.tokenizer().size() - 1);
  if (chat.ids.size() > session_.context())
    return fail(Errc::out_of_range, "{}: {} tokens, the context holds {}", path, chat.ids.size(), session_.context());
  const std::vector<Token> old(session_.tokens().begin(), session_.tokens().end());
  session_.truncate(0);
  sampler_->forget();
  const std::vector<Token> ids(chat.ids.begin(), chat.ids.end());
  if (auto fed = feed(ids); !fed) {
    g_interrupted = false;
    ONEBIT_TRY(feed(old));
    return fed;
  }
  if (!quiet_) fmt::print(stderr, "loaded {} tokens from {}\n", ids.size(), path);
  return {};
}

void Chat::stats() const {
  const auto rate = [](size_t n, double s) { return s > 0 ? static_cast<double>(n) / s : 0.0; };
  const auto used = static_cast<uint32_t>(session_.tokens().size());
  fmt::print("context {} of {} tokens | read {} tokens, {:.1f} tok/s | written {} tokens, {:.1f} tok/s | {} threads, {} | "
             "format {}\n",
             used, session_.context(), prompt_tokens_, rate(prompt_tokens_, prompt_s_), decode_tokens_,
             rate(decode_tokens_, decode_s_), engine_.threads(), cpu::isa_name(engine_.compute().ops->isa),
             chat_style_name(style_));
}

Status Chat::command(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string name = line.substr(0, space);
  std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  rest.erase(0, rest.find_first_not_of(' '));
  rest.erase(rest.find_last_not_of(' ') + 1);
  if (name == "/bye") {
    leave_ = true;
    return {};
  }
  if (name == "/help") {
    fmt::print("{}", kHelp);
    return {};
  }
  if (name == "/clear") return begin();
  if (name == "/set") return set(rest);
  if (name == "/stats") {
    stats();
    return {};
  }
  if (name == "/save" || name == "/load") {
    if (rest.empty()) return fail(Errc::usage, "{}: a file name is missing", name);
    return name == "/save" ? save(rest) : load(rest);
  }
  return fail(Errc::usage, "unknown command '{}', /help lists them", name);
}

Status Chat::loop() {
  LineEditor editor;
  std::string line;
  while (!leave_) {
    std::fflush(stdout);
    const auto outcome = editor.read("> ", line);
    if (outcome == LineEditor::Outcome::end) return {};
    if (outcome == LineEditor::Outcome::interrupted) {
      if (!editor.interactive()) return {};
      continue;
    }
    if (line.empty()) continue;
    g_interrupted = false;
    const Status status = line.starts_with('/') ? command(line) : answer(line);
    if (std::ferror(stdout)) return fail(Errc::io, "stdout: cannot write");
    std::fflush(stdout);
    if (!status) fmt::print(stderr, "error: {}\n", status.error().message);
  }
  return {};
}

Status chat(std::span<const char* const> args) {
  ModelFlags model;
  SamplerFlags sampling;
  int64_t predict = 512;
  std::string system;
  Flags flags("onebit chat", chat_verb.summary, "onebit chat -m model.gguf --system \"You are brief.\"");
  model.add_to(flags);
  flags.text("-sys,--system", "TEXT", "instructions before the conversation", &system);
  flags.integer("-n,--predict", "tokens of an answer; -1: no limit", &predict, -1, 1 << 24);
  sampling.add_to(flags);
  flags.toggle("--quiet", "answers and error messages only", &model.quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  // How wide a character is on the terminal depends on the locale alone; numbers stay as they are.
  if (!std::setlocale(LC_CTYPE, "")) std::setlocale(LC_CTYPE, "C.UTF-8");

  ONEBIT_ASSIGN(const auto engine, model.load());
  ONEBIT_ASSIGN(Session session, Session::create(*engine, model.session()));
  struct sigaction on_interrupt {};
  on_interrupt.sa_handler = [](int) { g_interrupted = true; };  // no SA_RESTART: a read of a pipe returns
  sigaction(SIGINT, &on_interrupt, nullptr);
  Chat conversation(*engine, std::move(session), std::move(sampling), predict, std::move(system), model.quiet);
  ONEBIT_TRY(conversation.start());
  if (!model.quiet) fmt::print(stderr, "/help lists the commands, Ctrl-C stops an answer, Ctrl-D leaves\n");
  ONEBIT_TRY(conversation.loop());
  return model.finish(*engine);
}

}  // namespace

const Verb chat_verb{"chat", "a conversation in turns, with line editing and saved sessions", chat};

}  // namespace onebit::cli
