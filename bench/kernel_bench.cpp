// Ternary kernels as shares of what this machine can do: GEMM against the int8 peak, GEMV over the
// linear layers of a BitNet-2B-4T against the read bandwidth. One thread, timed by its CPU time, every
// round followed by a measurement of the limit; the median of the rounds' shares is printed.
#include <ctime>

#include <algorithm>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "cpu/limits.h"
#include "cpu/limits_kernel.h"
#include "cpu/ternary.h"

namespace {

using namespace onebit;
using namespace onebit::cpu;

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

template <class F>
double time_of(F&& work) {
  const double start = cpu_seconds();
  work();
  return cpu_seconds() - start;
}

const LimitLoops& loops(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2: return kLimitsAvx2;
    case Isa::avxvnni: return kLimitsAvxVnni;
    case Isa::avx512vnni: return kLimitsAvx512;
#elif defined(__aarch64__)
    case Isa::neon: return kLimitsNeon;
#endif
    default: return kLimitsScalar;
  }
}

volatile uint64_t sink;

double peak(Isa isa) {
  constexpr uint64_t kIterations = 200000;
  const LimitLoops& l = loops(isa);
  return static_cast<double>(kIterations * l.int8_ops) / time_of([&] { sink = l.int8(kIterations); });
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

Buffer allocate(size_t bytes) {
  auto memory = Buffer::allocate(bytes, "the benchmark");
  if (memory) return std::move(*memory);
  fmt::print(stderr, "kernel_bench: {}\n", memory.error().message);
  std::exit(1);
}

struct Shape {
  uint32_t rows, cols;
};

TernaryMatrix random_matrix(Shape s, TernaryLayout layout, ThreadPool& pool, uint8_t* memory = nullptr) {
  auto m = pack_ternary(s.rows, s.cols, layout, pool, [&](uint32_t row, uint8_t* codes) {
    uint32_t state = row * 2654435761u + 12345;
    for (uint32_t k = 0; k < s.cols; ++k) {
      state = state * 1664525u + 1013904223u;
      codes[k] = static_cast<uint8_t>((state >> 24) % 3);
    }
  }, memory);
  if (!m) {
    fmt::print(stderr, "kernel_bench: {}\n", m.error().message);
    std::exit(1);
  }
  return std::move(*m);
}

struct Acts {
  Buffer q;
  std::vector<int32_t> sum;
  QuantActs view;

  Acts(uint32_t tokens, uint32_t cols) {
    const size_t stride = quant_stride(cols);
    q = allocate(stride * tokens);
    sum.assign(tokens, 0);
    for (uint32_t t = 0; t < tokens; ++t)
      for (uint32_t k = 0; k < cols; ++k) {
        const int8_t v = static_cast<int8_t>((t * 37 + k * 101) % 255 - 127);
        q.as<int8_t>()[t * stride + k] = v;
        sum[t] += v;
      }
    view = {tokens, cols, stride, q.as<int8_t>(), sum.data(), nullptr};
  }
};

// One call per 64 rows into the same tile of sums, 128 where the linear layers take that.

void bench_gemm(Isa isa, TernaryLayout layout, ThreadPool& pool, int rounds) {
  const TernaryKernels& k = ternary_kernels(isa);
  for (const Shape s : {Shape{2560, 2560}, {640, 2560}, {6912, 2560}, {2560, 6912}})
    for (const uint32_t tokens : {8u, 128u, 512u}) {
      const TernaryMatrix w = random_matrix(s, layout, pool);
      const Acts x(tokens, s.cols);
      const uint32_t rows = size_t{tokens} * s.cols > 3u << 19 ? 128 : 64;
      Buffer scratch = allocate(gemm_scratch_bytes(w));
      std::vector<int32_t> tile(size_t{tokens} * rows);
      std::vector<double> shares;
      const double ops = 2.0 * s.rows * s.cols * tokens;
      for (int r = 0; r < rounds; ++r) {
        const double before = peak(isa);
        const double t = time_of([&] {
          for (uint32_t g = 0; g < w.groups; g += rows / 16)
            k.gemm(w, g, std::min(w.groups, g + rows / 16), x.view, tile.data(), rows, scratch.data());
        });
        shares.push_back(ops / t / std::max(before, peak(isa)));
      }
      fmt::print("gemm {:12} {:3} {:4}x{:<4} M={:<3}  {:5.1f} % of int8 peak (best {:.1f}), {:.0f} GOP/s peak\n", isa_name(isa),
                 layout == TernaryLayout::p2 ? "p2" : "p16", s.rows, s.cols, tokens, 100 * median(shares),
                 100 * *std::max_element(shares.begin(), shares.end()), peak(isa) / 1e9);
    }
}

// A few tokens: one GEMV each, the weights of 64 rows from cache after the first, against GEMM.
void bench_small(Isa isa, TernaryLayout layout, ThreadPool& pool, int rounds) {
  const TernaryKernels& k = ternary_kernels(isa);
  const Shape s{2560, 2560};
  const TernaryMatrix w = random_matrix(s, layout, pool);
  const Buffer memory = allocate(gemm_scratch_bytes(w));
  uint8_t* scratch = const_cast<uint8_t*>(memory.data());
  std::vector<int32_t> tile(size_t{16} * 64);
  for (const uint32_t tokens : {1u, 2u, 3u, 4u, 6u, 8u}) {
    const Acts x(tokens, s.cols);
    std::vector<double> gemv, gemm;
    for (int r = 0; r < rounds; ++r) {
      gemv.push_back(time_of([&] {
        for (uint32_t g = 0; g < w.groups; g += 4)
          for (uint32_t t = 0; t < tokens; ++t)
            k.gemv(w, g, g + 4, x.view.q + t * x.view.stride, x.sum[t], tile.data() + t * 64);
      }));
      gemm.push_back(time_of([&] {
        for (uint32_t g = 0; g < w.groups; g += 4) k.gemm(w, g, g + 4, x.view, tile.data(), 64, scratch);
      }));
    }
    fmt::print("few  {:12} {:3} M={}  gemv per token {:.0f} us, gemm {:.0f} us\n", isa_name(isa),
               layout == TernaryLayout::p2 ? "p2" : "p16", tokens, 1e6 * median(gemv), 1e6 * median(gemm));
  }
}

// All linear layers once, both layouts in turn with a pass over plain memory.
void bench_gemv(Isa isa, ThreadPool& pool, int rounds) {
  constexpr Shape kLayer[] = {{2560, 2560}, {640, 2560}, {640, 2560}, {2560, 2560}, {6912, 2560}, {6912, 2560}, {2560, 6912}};
  const TernaryKernels& k = ternary_kernels(isa);
  std::vector<TernaryMatrix> weights[2];
  Buffer memory[2];
  size_t bytes[2] = {};
  for (int l = 0; l < 2; ++l) {
    const TernaryLayout layout = static_cast<TernaryLayout>(l);
    size_t total = 0;
    for (const Shape s : kLayer) total += 30 * packed_ternary_bytes(s.rows, s.cols, layout);
    memory[l] = allocate(total);
    for (int layer = 0; layer < 30; ++layer)
      for (const Shape s : kLayer) {
        weights[l].push_back(random_matrix(s, layout, pool, memory[l].data() + bytes[l]));
        bytes[l] += weights[l].back().bytes();
      }
  }
  constexpr size_t kPlain = size_t{512} << 20;
  Buffer plain = allocate(kPlain);
  std::memset(plain.data(), 1, kPlain);
  const Acts x(1, 6912);
  std::vector<int32_t> acc(6912 + 16);
  std::vector<double> time[2], read;
  for (int r = 0; r < rounds; ++r) {
    for (int l = 0; l < 2; ++l)
      time[l].push_back(time_of([&] {
        for (const TernaryMatrix& w : weights[l])
          for (uint32_t g = 0; g < w.groups; g += 16)
            k.gemv(w, g, std::min(w.groups, g + 16), x.view.q, x.sum[0], acc.data() + g * 16);
      }));
    read.push_back(static_cast<double>(kPlain) / time_of([&] {
      for (size_t at = 0; at < kPlain; at += size_t{4} << 20) sink = loops(isa).read(plain.data() + at, size_t{4} << 20);
    }));
  }
  const double best_read = *std::max_element(read.begin(), read.end());
  for (int l = 0; l < 2; ++l) {
    const double best = *std::min_element(time[l].begin(), time[l].end()), mid = median(time[l]);
    const double size = static_cast<double>(bytes[l]);
    fmt::print("gemv {:12} {:3} all layers {:.1f} MB: best {:.1f} ms = {:.1f} % of best read {:.2f} GB/s; median {:.1f} ms = "
               "{:.1f} % of median read {:.2f} GB/s\n",
               isa_name(isa), l == 0 ? "p2" : "p16", size / 1e6, best * 1e3, 100 * size / best / best_read, best_read / 1e9,
               mid * 1e3, 100 * size / mid / median(read), median(read) / 1e9);
  }
}

}  // namespace

// kernel_bench [gemm|few|gemv|all] [rounds] [isa]
int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "all";
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 9;
  const auto isa = parse_isa(argc > 3 ? argv[3] : "auto");
  if (!isa) {
    fmt::print(stderr, "kernel_bench: {}\n", isa.error().message);
    return 2;
  }
  ThreadPool pool;
  const auto wanted = [what](std::string_view part) { return what == part || what == "all"; };
  if (wanted("gemm"))
    for (const TernaryLayout layout : {TernaryLayout::p2, TernaryLayout::p16}) bench_gemm(*isa, layout, pool, rounds);
  if (wanted("few"))
    for (const TernaryLayout layout : {TernaryLayout::p2, TernaryLayout::p16}) bench_small(*isa, layout, pool, 50 * rounds);
  if (wanted("gemv")) bench_gemv(*isa, pool, rounds);
  return 0;
}
