// Linear layers of published ternary models, matrices that read one input stacked: what a prefill multiplies per layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "npu/gemm/tiling.h"

namespace onebit::npu::gemm {

struct ModelShapes {
  std::string name;
  uint32_t layers, hidden, feed_forward, key_value;  // widths; key_value: of keys, and of values

  struct Layer {
    const char* name;
    uint32_t n, k;
  };
  std::vector<Layer> linears() const {
    return {{"query, key, value", hidden + 2 * key_value, hidden},
            {"attention output", hidden, hidden},
            {"gate, up", 2 * feed_forward, hidden},
            {"down", hidden, feed_forward}};
  }
};

inline const std::vector<ModelShapes>& model_shapes() {
  static const std::vector<ModelShapes> models{{"BitNet-b1.58-2B-4T", 30, 2560, 6912, 640},
                                               {"bitnet_b1_58-large (0.7B)", 24, 1536, 4096, 1536},
                                               {"bitnet_b1_58-3B", 26, 3200, 8640, 3200},
                                               {"Falcon3-10B-Instruct-1.58bit", 40, 3072, 23040, 1024},
                                               {"Llama3-8B-1.58", 32, 4096, 14336, 1024}};
  return models;
}

}  // namespace onebit::npu::gemm
