// onebit serve: the HTTP API over one model, until SIGTERM or SIGINT.
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "base/file.h"
#include "model_flags.h"
#include "server/server.h"

namespace onebit::cli {
namespace {

int g_signal_pipe[2] = {-1, -1};
std::atomic<bool> g_serving{false};

// Before the model is loaded there is nothing to bring to an end.
void on_signal(int signal) {
  if (!g_serving) _exit(128 + signal);
  const char byte = 0;
  (void)!write(g_signal_pipe[1], &byte, 1);
}

void wait_for_signal() {
  pollfd p{g_signal_pipe[0], POLLIN, 0};
  while (poll(&p, 1, -1) < 0) {}
  char byte = 0;
  (void)!read(g_signal_pipe[0], &byte, 1);
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    if (comma > at) out.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

// A key on each line; blank lines and lines with # are left out.
Status read_keys(const std::string& path, std::vector<std::string>& keys) {
  constexpr size_t kLimit = 1 << 20;
  ONEBIT_ASSIGN(const std::string text, read_text(path, kLimit));
  const size_t before = keys.size();
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line[0] != '#') keys.push_back(line);
    at = end + 1;
  }
  if (keys.size() == before) return fail(Errc::usage, "--api-key-file: {} holds no key", path);
  return {};
}

Status run(std::span<const char* const> args) {
  ModelFlags model;
  SamplerFlags sampling;
  server::ServerOptions o;
  std::string alias, key, key_file, hosts, origins, chat_template, template_file;
  int64_t port = 8080, parallel = 4, queue = 64, chunk = 0, connections = 128, body_mb = 8;
  bool no_cache = false, no_page = false;
  Flags flags("onebit serve", "serve a model over HTTP: the OpenAI API, Ollama's, and a chat page",
              "onebit serve -m model.gguf --port 8080 --parallel 4");
  model.add_to(flags);
  sampling.add_to(flags);
  flags.text("--host", "ADDRESS", "address to listen on; other than loopback it needs a key", &o.http.host);
  flags.integer("--port", "0: one that is free", &port, 0, 65535);
  flags.text("-a,--alias", "NAME", "the model's name in the API", &alias);
  flags.text("--api-key", "KEY,..", "keys, one of which a request has to bring", &key);
  flags.text("--api-key-file", "FILE", "the same, a key on each line", &key_file);
  flags.text("--allow-host", "NAME,..", "more names by which clients may call this server (Host)", &hosts);
  flags.text("--allow-origin", "URL,..", "other sites whose pages may use this server (Origin); *: all", &origins);
  flags.integer("-np,--parallel", "texts at once", &parallel, 1, 256);
  flags.integer("--queue", "texts that may wait for one of them", &queue, 0, 1 << 16);
  flags.integer("-ub,--ubatch-size", "prompt tokens of one step, which others wait for; 0: 32 on the CPU, 256 on a device", &chunk, 0, 1 << 16);
  flags.toggle("--no-cache-prompt", "do not reuse what finished texts have in common with new ones", &no_cache);
  flags.text("--chat-template", "NAME", "a built-in template, or Jinja", &chat_template);
  flags.text("--chat-template-file", "FILE", "the same from a file", &template_file);
  flags.real("--timeout", "seconds after which a text ends; 0: never", &o.service.timeout_s, 0, 1e6);
  flags.real("--drain", "seconds that texts have to end in after SIGTERM", &o.drain_s, 0, 1e6);
  flags.integer("--connections", "connections at once", &connections, 1, 4096);
  flags.integer("--max-body", "largest body of a request in MiB", &body_mb, 1, 1024);
  flags.toggle("--no-page", "no chat page at /", &no_page);
  flags.toggle("--quiet", "say nothing", &model.quiet);
  flags.environment("ONEBIT_");
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};

  o.http.port = static_cast<int>(port);
  o.http.connections = static_cast<uint32_t>(connections);
  o.http.body_bytes = static_cast<size_t>(body_mb) << 20;
  o.access.host = o.http.host;
  o.access.keys = split_list(key);
  if (!key_file.empty()) ONEBIT_TRY(read_keys(key_file, o.access.keys));
  o.access.hosts = split_list(hosts);
  o.access.origins = split_list(origins);
  o.page = !no_page;
  o.version = ONEBIT_VERSION;
  ONEBIT_ASSIGN(o.service.engine, model.engine_options());
  ONEBIT_ASSIGN(o.service.sampling, sampling.finish());
  const SessionOptions session = model.session();
  o.service.scheduler.parallel = static_cast<uint32_t>(parallel);
  o.service.scheduler.queue = static_cast<uint32_t>(queue);
  o.service.scheduler.chunk = static_cast<uint32_t>(chunk);
  o.service.scheduler.context = session.context;
  o.service.scheduler.kv = session.kv;
  o.service.scheduler.prefix_cache = !no_cache;
  o.service.alias = alias;
  o.service.chat_template = chat_template;
  if (!template_file.empty()) {
    constexpr size_t kLimit = 1 << 20;
    ONEBIT_ASSIGN(o.service.chat_template, read_text(template_file, kLimit));
  }

  if (pipe(g_signal_pipe) != 0) return fail(Errc::io, "pipe: no file descriptor left");
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGINT, on_signal);
  ONEBIT_ASSIGN(const auto server, server::Server::start(o));
  {
    Progress bar("loading", !model.quiet);
    ONEBIT_TRY(server->load([&bar](double share) { bar.update(share); }));
  }
  g_serving = true;
  if (!model.quiet) {
    const bool v6 = o.http.host.find(':') != std::string::npos;
    fmt::print(stderr, "onebit serve: {} on http://{}{}{}:{}\n", server->service()->name(), v6 ? "[" : "", o.http.host, v6 ? "]" : "", server->port());
  }
  wait_for_signal();
  if (!model.quiet) fmt::print(stderr, "onebit serve: ending, texts under way have {} s\n", o.drain_s);
  std::thread impatient([] {
    wait_for_signal();
    _exit(130);
  });
  impatient.detach();
  const bool drained = server->stop(o.drain_s);
  if (!drained && !model.quiet) fmt::print(stderr, "onebit serve: texts were cut off\n");
  return model.finish(server->service()->engine());
}

}  // namespace

const Verb serve_verb{"serve", "serve a model over HTTP", run};

}  // namespace onebit::cli
