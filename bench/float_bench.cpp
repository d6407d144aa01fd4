// Times attention and the output head at the shapes of BitNet-b1.58-2B-4T.
//   float_bench prefill|decode|head [threads] [isa]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string_view>
#include <vector>

#include "cpu/attention.h"
#include "cpu/head.h"

namespace onebit::cpu {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_now() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Best and median seconds of `runs` calls, and the least processor time of all threads that one took:
// on a busy machine that is the steadier figure.
struct Times { double best, median, cpu; };
template <class F>
Times time_runs(int runs, F f) {
  std::vector<double> t;
  double cpu = 1e9;
  for (int i = 0; i < runs; ++i) {
    const double start = now(), cpu_start = cpu_now();
    f();
    t.push_back(now() - start);
    cpu = std::min(cpu, cpu_now() - cpu_start);
  }
  std::sort(t.begin(), t.end());
  return {t[0], t[t.size() / 2], cpu};
}

constexpr uint32_t kHeads = 20, kKvHeads = 5, kHeadDim = 128;

void bench_attention(ThreadPool& pool, Isa isa, bool prefill) {
  const FloatOps& ops = float_ops(isa);
  for (KvType type : {KvType::f32, KvType::f16, KvType::q8}) {
    constexpr uint32_t kContext = 4096, kLayers = 4;
    const size_t bytes = size_t{kKvHeads} * kContext * kHeadDim * kv_element_bytes(type);
    const size_t scales = size_t{kKvHeads} * kContext;
    std::vector<uint8_t> k(bytes * kLayers), v(bytes * kLayers);
    std::vector<float> ks(scales * kLayers, 0.01f), vs(scales * kLayers, 0.01f);
    const auto layer = [&](uint32_t l) {
      return KvLayer{type, kContext, kKvHeads, kHeadDim, k.data() + l * bytes, v.data() + l * bytes,
                     ks.data() + l * scales, vs.data() + l * scales};
    };
    std::mt19937 rng(1);
    std::normal_distribution<float> gauss;
    std::vector<float> row(kKvHeads * kHeadDim);
    for (float& x : row) x = gauss(rng);
    for (uint32_t l = 0; l < kLayers; ++l) {
      for (uint32_t p = 0; p < kContext; ++p) kv_store(ops, layer(l), p, row.data(), row.data());
    }
    std::vector<float> q(512 * kHeads * kHeadDim), out(q.size());
    for (float& x : q) x = gauss(rng);
    AttentionScratch scratch;
    const auto run = [&](uint32_t first, uint32_t tokens, uint32_t l) {
      std::vector<AttentionQuery> queries;
      const size_t width = kHeads * kHeadDim;
      for (uint32_t t = 0; t < tokens; ++t) queries.push_back({&q[t * width], &out[t * width], layer(l), first + t});
      if (!attention(ops, pool, queries, kHeads, 0.088f, scratch)) std::abort();
    };
    const char* const name = type == KvType::f32 ? "f32" : type == KvType::f16 ? "f16" : "q8";
    if (prefill) {
      const Times t = time_runs(100, [&] { run(0, 512, 0); });
      const double flop = 4.0 * kHeads * kHeadDim * (512.0 * 513 / 2);
      std::printf("%s prefill 512: best %.2f ms, median %.2f ms, cpu %.2f ms, %.0f GFLOP/s (causal work only)\n", name,
                  t.best * 1e3, t.median * 1e3, t.cpu * 1e3, flop / t.best * 1e-9);
      continue;
    }
    for (uint32_t context : {256u, 1024u, 4096u}) {
      uint32_t l = 0;
      const Times t = time_runs(40, [&] { run(context - 1, 1, l++ % kLayers); });
      const double read = 2.0 * kKvHeads * kHeadDim * context * kv_element_bytes(type);
      std::printf("%s decode at %u: best %.1f us, median %.1f us, cpu %.1f us, %.1f GB/s\n", name, context,
                  t.best * 1e6,
                  t.median * 1e6, t.cpu * 1e6, read / t.best * 1e-9);
    }
  }
}

// Gaussian E times gaussian h: the logits lie as close together as they can, so this is the worst case
// for the number of rows computed in full precision.
void bench_head(ThreadPool& pool, Isa isa) {
  constexpr uint32_t kVocab = 128256, kDim = 2560;
  Buffer data = Buffer::allocate(size_t{kVocab} * kDim * 2, "bench").value();
  std::mt19937 rng(1);
  std::normal_distribution<float> gauss;
  std::vector<float> values(1 << 16);
  for (float& v : values) v = gauss(rng) * 0.02f;
  std::vector<uint16_t> halves(values.size());
  const FloatOps& ops = float_ops(isa);
  ops.f32_to_f16(halves.data(), values.data(), values.size());
  uint64_t state = 88172645463325252ull;
  for (size_t i = 0; i < size_t{kVocab} * kDim; i += 4) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    for (int j = 0; j < 4; ++j) data.as<uint16_t>()[i + j] = halves[state >> (16 * j) & 0xffff];
  }
  const GgufTensor tensor{"token_embd.weight", TensorType::f16, 2, {kDim, kVocab, 1, 1},
                          data.size(), 0, 0, data.data()};
  Compute compute = Compute::create(isa, pool).value();
  const double start = now(), cpu_start = cpu_now();
  OutputHead head = OutputHead::create(nullptr, tensor, compute).value();
  std::printf("create: %.3f s, cpu %.3f s\n", now() - start, cpu_now() - cpu_start);

  std::vector<float> h(kDim);
  uint32_t rescored = 0;
  const auto token = [&] {
    for (float& v : h) v = gauss(rng);
    head.argmax(compute, h.data());
    rescored = std::max(rescored, head.last_rescored());
  };
  Times t = time_runs(30, token);
  const double bytes = double(head.first_pass_bytes());
  std::printf("argmax: best %.2f ms, median %.2f ms, cpu %.2f ms, "
              "%.1f MB first pass, at most %u rows rescored, %.1f GB/s best\n",
              t.best * 1e3, t.median * 1e3, t.cpu * 1e3, bytes * 1e-6, rescored,
              (bytes + rescored * kDim * 2.0) / t.best * 1e-9);
  std::vector<float> approx(kVocab);
  t = time_runs(30, [&] { head.approximate(compute, h.data(), approx.data()); });
  std::printf("first pass: best %.2f ms, median %.2f ms, cpu %.2f ms, %.1f GB/s best\n", t.best * 1e3, t.median * 1e3,
              t.cpu * 1e3,
              bytes / t.best * 1e-9);
  std::vector<TokenLogit> top;
  for (uint32_t k : {2u, 40u, 1000u}) {
    t = time_runs(10, [&] { head.top(compute, h.data(), k, top); });
    std::printf("top %u: best %.2f ms, %u rows rescored\n", k, t.best * 1e3, head.last_rescored());
  }
  constexpr uint32_t kTokens = 64;
  std::vector<float> many(kTokens * kDim, 1.0f), out(size_t{kTokens} * kVocab);
  t = time_runs(3, [&] { head.logits(compute, many.data(), kTokens, out.data()); });
  std::printf("logits of %u tokens: best %.1f ms, cpu %.1f ms, %.0f GFLOP/s\n", kTokens, t.best * 1e3, t.cpu * 1e3,
              2.0 * kTokens * kVocab * kDim / t.best * 1e-9);
}

}  // namespace
}  // namespace onebit::cpu

int main(int argc, char** argv) {
  using namespace onebit;
  onebit::ThreadPool pool(argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 0);
  const auto isa = cpu::parse_isa(argc > 3 ? argv[3] : "auto");
  if (argc < 2 || !isa) {
    std::fprintf(stderr, "usage: float_bench prefill|decode|head [threads] [isa]\n");
    return 2;
  }
  const std::string_view what = argv[1];
  if (what == "prefill" || what == "decode") cpu::bench_attention(pool, *isa, what == "prefill");
  if (what == "head") cpu::bench_head(pool, *isa);
}
