// Published results on XDNA 2 that ours are held against. "TOPS" counts useful operations, two for a multiply-add.
#pragma once

#include "npu/evaluate/report.h"

namespace onebit::npu::evaluate {

inline constexpr Reference kInt8References[] = {
    {"stock example, int8 to int32", 9.3, "mlir-aie whole_array, 64 x 64 x 64 tiles, 512 and 2048 x 2560 x 6912"},
    {"open compiler, int8 to int32", 13.2, "best result of an open compiler with int32 results"},
    {"by hand, int8 to int8", 25.3, "weights resident in memory tiles, 4096 x 2560 x 1280"},
    {"published, int8", 38.0, "arXiv 2512.13282, best of many shapes"},
};
inline constexpr Reference kBf16References[] = {
    {"bf16 2048 cube, low", 2.75, "low reference for a 2048 cube"},
    {"bf16, published", 24.6, "arXiv 2511.16041, BFP16 x BF16, asymmetric tile buffers"},
};

}  // namespace onebit::npu::evaluate
