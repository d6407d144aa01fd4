// The registry: which kernels exist, and which packed layout each prefers.
#include "cpu/ternary.h"

#include "cpu/ternary_kernel.h"

namespace onebit::cpu {
namespace {

static_assert(kGroupRows == 16 && kTileBytes == 64);
static_assert(kPanelColumns % tile_columns(TernaryLayout::p2) == 0 && kPanelColumns % tile_columns(TernaryLayout::p16) == 0);

PackedView view(const TernaryMatrix& w) { return {w.data, w.tiles, w.layout == TernaryLayout::p16}; }

template <const RawKernels& kRaw>
constexpr TernaryKernels kernels(Isa isa, TernaryLayout layout, uint32_t gemv_tokens) {
  return {isa, layout, gemv_tokens,
          [](const TernaryMatrix& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
            kRaw.gemv(view(w), g0, g1, x, sum, acc);
          },
          [](const TernaryMatrix& w, uint32_t g0, uint32_t g1, const QuantActs& x, int32_t* acc, size_t ld,
             uint8_t* scratch) {
            kRaw.gemm(view(w), g0, g1, x.q, x.stride, x.sum, x.tokens, acc, ld, scratch);
          }};
}

constexpr TernaryKernels kScalar = kernels<kTernaryScalar>(Isa::scalar, TernaryLayout::p2, 2);
#if defined(__x86_64__)
constexpr TernaryKernels kAvx2 = kernels<kTernaryAvx2>(Isa::avx2, TernaryLayout::p2, 2);
constexpr TernaryKernels kAvxVnni = kernels<kTernaryAvxVnni>(Isa::avxvnni, TernaryLayout::p2, 2);
constexpr TernaryKernels kAvx512 = kernels<kTernaryAvx512>(Isa::avx512vnni, TernaryLayout::p16, 1);
#elif defined(__aarch64__)
constexpr TernaryKernels kNeon = kernels<kTernaryNeon>(Isa::neon, TernaryLayout::p2, 2);
#endif

}  // namespace

const TernaryKernels& ternary_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2: return kAvx2;
    case Isa::avxvnni: return kAvxVnni;
    case Isa::avx512vnni: return kAvx512;
#elif defined(__aarch64__)
    case Isa::neon: return kNeon;
#endif
    default: return kScalar;
  }
}

size_t gemm_scratch_bytes(const TernaryMatrix&) { return kPanelGroups * kPanelBytes; }

}  // namespace onebit::cpu
