// The loops around a register-blocked GEMM micro kernel, shared by the kernel files. `Simd` is a type of
// the including file's anonymous namespace, so every instance is local to that file. It provides
//
//   kGroups, kTokens       the largest block a micro kernel call covers
//   expand(w, g, tile0, tiles, panel)
//                          codes of `tiles` tiles of group g from tile0 on, as [step][16][4] bytes
//   micro<G, T>(panel, steps, x, stride, acc, ld)
//                          acc[t*ld + 16*g + r] += sum over 4*steps columns of code * x, G groups, T tokens
#pragma once

#include "cpu/ternary_kernel.h"

namespace onebit::cpu {
namespace {

template <class Simd, int G, int T>
void gemm_block(const uint8_t* panel, uint32_t steps, const int8_t* x, size_t stride, uint32_t tokens,
                      int32_t* acc, size_t ld) {
  if constexpr (T > 0) {
    if (tokens == T)
      Simd::template micro<G, T>(panel, steps, x, stride, acc, ld);
    else
      gemm_block<Simd, G, T - 1>(panel, steps, x, stride, tokens, acc, ld);
  }
}

// All tokens against G groups of expanded codes. The last kTokens + 1 .. 2 kTokens - 1 tokens are halved:
// 4 + 4 fill the pipeline better than 6 + 2.
template <class Simd, int G>
void gemm_tokens(const uint8_t* panel, uint32_t steps, const int8_t* x, size_t stride, uint32_t tokens, int32_t* acc,
                 size_t ld) {
  constexpr uint32_t kT = Simd::kTokens;
  while (tokens > 0) {
    const uint32_t n = tokens >= 2 * kT ? kT : tokens > kT ? (tokens + 1) / 2 : tokens;
    gemm_block<Simd, G, Simd::kTokens>(panel, steps, x, stride, n, acc, ld);
    tokens -= n;
    x += n * stride;
    acc += n * ld;
  }
}

template <class Simd, int G>
void gemm_groups(uint32_t groups, const uint8_t* panel, uint32_t steps, const int8_t* x, size_t stride,
                 uint32_t tokens, int32_t* acc, size_t ld) {
  for (; groups >= G; groups -= G, panel += G * kPanelBytes, acc += G * 16)
    gemm_tokens<Simd, G>(panel, steps, x, stride, tokens, acc, ld);
  if constexpr (G > 1) {
    if (groups > 0) gemm_groups<Simd, G - 1>(groups, panel, steps, x, stride, tokens, acc, ld);
  }
}

// Columns outermost: a chunk of the activations of all tokens then stays in the second-level cache while
// every block of 64 rows of the call goes over it.
template <class Simd>
void gemm(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, size_t stride, const int32_t* sum,
          uint32_t tokens, int32_t* acc, size_t ld, uint8_t* scratch) {
  const uint32_t tile_columns = w.dense ? 20 : 16;
  const uint32_t chunk_tiles = kPanelColumns / tile_columns;
  for (uint32_t m = 0; m < tokens; ++m)
    for (uint32_t r = 0; r < (g1 - g0) * 16; ++r) acc[m * ld + r] = -sum[m];
  for (uint32_t tile = 0; tile < w.tiles; tile += chunk_tiles) {
    const uint32_t tiles = w.tiles - tile < chunk_tiles ? w.tiles - tile : chunk_tiles;
    for (uint32_t g = g0; g < g1; g += kPanelGroups) {
      const uint32_t groups = g1 - g < kPanelGroups ? g1 - g : kPanelGroups;
      for (uint32_t i = 0; i < groups; ++i) Simd::expand(w, g + i, tile, tiles, scratch + i * kPanelBytes);
      gemm_groups<Simd, Simd::kGroups>(groups, scratch, tiles * tile_columns / 4, x + size_t{tile} * tile_columns,
                                       stride, tokens, acc + size_t{g - g0} * 16, ld);
    }
  }
}

}  // namespace
}  // namespace onebit::cpu
