// Every kernel of kernels.h: one translation unit for each compiler and device.
#include "gpu/kernels/attention_prefill.h"
#include "gpu/kernels/elementwise.h"
#include "gpu/kernels/expand.h"
#include "gpu/kernels/gemm.h"
#include "gpu/kernels/gemv.h"
#include "gpu/kernels/norm.h"
#include "gpu/kernels/select.h"

namespace onebit::gpu {
namespace {

ONEBIT_KERNEL(norm_quant, kBlock, NormQuantArgs) {
  ONEBIT_SHARED(NormShared<kNormFloats>, shared, 1);
  grid_launch_next();
  grid_wait();
  norm_quant_token(a, block_x(), shared[0]);
}

#define ONEBIT_GEMV(packing, tokens) \
  ONEBIT_KERNEL(ternary_gemv_##packing##_t##tokens, kBlock, LinearArgs) { gemv<Packing::packing, tokens>(a); }
ONEBIT_GEMV(p2, 1)
ONEBIT_GEMV(p2, 2)
ONEBIT_GEMV(p2, 4)
ONEBIT_GEMV(p2, 8)
ONEBIT_GEMV(p2, 16)
ONEBIT_GEMV(p16, 1)
ONEBIT_GEMV(p16, 2)
ONEBIT_GEMV(p16, 4)
ONEBIT_GEMV(p16, 8)
ONEBIT_GEMV(p16, 16)
#undef ONEBIT_GEMV

#define ONEBIT_GEMM(rows)                                                    \
  ONEBIT_KERNEL(ternary_gemm_p2_r##rows, kGemmBlock, LinearArgs) {           \
    ONEBIT_SHARED(int8_t, shared, kCopyStages* kStageBytes);                 \
    GemmBlock<rows>(a, shared).run();                                        \
  }
ONEBIT_GEMM(64)
ONEBIT_GEMM(128)
#undef ONEBIT_GEMM

// Small kernels: one line each. ARGUMENTS, what a block does.
#define ONEBIT_SIMPLE(name, threads, Args, ...)     \
  ONEBIT_KERNEL(name, threads, Args) {              \
    grid_launch_next();                             \
    grid_wait();                                    \
    __VA_ARGS__;                                    \
  }
ONEBIT_SIMPLE(embed, kBlock, EmbedArgs, embed_token(a, block_x()))
ONEBIT_SIMPLE(rope_kv, kBlock, RopeArgs, rope_kv_token(a, block_x()))
ONEBIT_SIMPLE(linear_float, kBlock, FloatLinearArgs, linear_float_rows(a, block_x(), block_y()))
ONEBIT_SIMPLE(gate_float, kBlock, GateArgs, gate_element(a, block_x() * kBlock + thread_x()))
ONEBIT_SIMPLE(attention_scores, kBlock, AttentionArgs, ONEBIT_SHARED(ScoreShared, shared, 1); score_block(a, shared[0]))
ONEBIT_SIMPLE(attention_values, kValueBlock, AttentionArgs, ONEBIT_SHARED(ValueShared, shared, 1); ValueBlock(a, shared[0]).run())
ONEBIT_SIMPLE(attention_combine, kBlock, AttentionArgs, combine_head(a, block_x(), block_y()))
ONEBIT_SIMPLE(expand_p16, kBlock, ExpandArgs, expand_unit(a, block_x()))

#define ONEBIT_PREFILL(D)                                                                                        \
  ONEBIT_SIMPLE(attention_prefill_d##D, kBlock, AttentionArgs, ONEBIT_SHARED(PrefillShared<D>, shared, 1);      \
                PrefillBlock<D>(a, shared[0]).run())
ONEBIT_PREFILL(64)
ONEBIT_PREFILL(128)
ONEBIT_PREFILL(256)
#undef ONEBIT_PREFILL

ONEBIT_SIMPLE(head_compress, kBlock, HeadArgs, compress_row(a, block_x() * kHeadWarps + warp()))
ONEBIT_SIMPLE(head_prepare, kBlock, HeadArgs, ONEBIT_SHARED(HeadShared, shared, 1); prepare_token(a, block_x(), shared[0]))
ONEBIT_SIMPLE(head_scan, kBlock, HeadArgs, ONEBIT_SHARED(ScanShared, shared, 1); scan_block(a, shared[0]))
ONEBIT_SIMPLE(head_threshold, kBlock, HeadArgs, ONEBIT_SHARED(CountShared, shared, 1);
              threshold_token(a, block_x(), shared[0]))
ONEBIT_SIMPLE(head_collect, kBlock, HeadArgs, collect_row(a, block_x() * kBlock + thread_x(), block_y()))
ONEBIT_SIMPLE(head_rescore, kBlock, HeadArgs, rescore_rows(a, block_x(), block_y()))
ONEBIT_SIMPLE(head_select, kBlock, HeadArgs, ONEBIT_SHARED(SelectShared, shared, 1); select_token(a, block_x(), shared[0]))
#undef ONEBIT_SIMPLE

}  // namespace
}  // namespace onebit::gpu
