// What sharing a step is worth: time of one forward pass over a token of each of 1 .. 16 texts with the choice of the
// next token of each, and of prompts in pieces of several sizes. CPU time of one thread.
// usage: batch_bench MODEL [REPETITIONS]
#include <algorithm>
#include <ctime>
#include <cstdlib>
#include <deque>

#include <fmt/format.h>

#include "engine/engine.h"

using namespace onebit;

namespace {

// CPU time of the process: another program on the machine then disturbs less.
double now() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

// Seconds of the forward pass and of the choices: medians.
struct Times {
  double forward, choose;
};

Times measure(Engine& engine, uint32_t texts, uint32_t tokens, int repetitions) {
  const ModelConfig& config = engine.model().config();
  std::deque<KvCache> caches;
  std::vector<BatchToken> batch;
  for (uint32_t s = 0; s < texts; ++s) {
    caches.emplace_back(config, cpu::KvType::f16, config.context);
    for (uint32_t i = 0; i < tokens; ++i) batch.push_back({static_cast<Token>((s * 37 + i) % config.vocab), &caches.back(), i + 1 == tokens});
  }
  Activations activations;
  std::vector<float> hidden(size_t{texts} * config.dim);
  std::vector<double> forward, choose;
  const std::vector<uint32_t> one_each(texts, 1);
  std::vector<std::vector<cpu::TokenLogit>> chosen(texts);
  cpu::OutputHead& head = engine.model().head();
  for (int r = -1; r < repetitions; ++r) {
    for (KvCache& kv : caches) kv.length = 0;
    const double start = now();
    if (auto s = engine.model().forward(batch, activations, engine.compute(), hidden.data()); !s) {
      fmt::print(stderr, "batch_bench: {}\n", s.error().message);
      std::exit(1);
    }
    const double middle = now();
    if (auto s = head.top_each(engine.compute(), hidden.data(), one_each, chosen); !s) {
      fmt::print(stderr, "batch_bench: {}\n", s.error().message);
      std::exit(1);
    }
    const double end = now();
    if (r < 0) continue;  // pages of the caches and the activations are met for the first time
    forward.push_back(middle - start);
    choose.push_back(end - middle);
  }
  return {median(forward), median(choose)};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: batch_bench MODEL [REPETITIONS]\n");
    return 2;
  }
  const int repetitions = argc > 2 ? std::atoi(argv[2]) : 9;
  auto engine = Engine::load({.path = argv[1], .threads = 1});
  if (!engine) {
    fmt::print(stderr, "batch_bench: {}\n", engine.error().message);
    return 1;
  }
  fmt::print("{:>6} {:>12} {:>12} {:>12} {:>8}\n", "texts", "forward ms", "choice ms", "tok/s", "gain");
  double one = 0;
  for (const uint32_t texts : {1u, 2u, 3u, 4u, 6u, 8u, 12u, 16u}) {
    const Times t = measure(**engine, texts, 1, repetitions);
    const double rate = texts / (t.forward + t.choose);
    if (texts == 1) one = rate;
    fmt::print("{:>6} {:>12.2f} {:>12.2f} {:>12.1f} {:>8.2f}\n", texts, t.forward * 1e3, t.choose * 1e3, rate, rate / one);
  }
  fmt::print("{:>6} {:>12} {:>12}\n", "prompt", "forward ms", "tok/s");
  for (const uint32_t tokens : {16u, 32u, 64u, 128u, 256u, 512u}) {
    const Times t = measure(**engine, 1, tokens, std::max(1, repetitions / 3));
    fmt::print("{:>6} {:>12.2f} {:>12.1f}\n", tokens, t.forward * 1e3, tokens / t.forward);
  }
}
