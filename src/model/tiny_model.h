// For tests: a small seeded model written to a GGUF file, of any architecture and weight type.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "format/codec.h"
#include "format/gguf.h"

namespace onebit::testing {

struct TinyShape {
  std::string arch = "bitnet-b1.58";
  TensorType type = TensorType::i2_s;
  uint32_t layers = 2, dim = 256, heads = 4, kv_heads = 2, ffn = 512, vocab = 96, context = 300;
  uint64_t seed = 1;
  bool sub_norms() const { return arch != "llama"; }
  uint32_t head_dim() const { return dim / heads; }
};

class TinyModel {
 public:
  explicit TinyModel(TinyShape shape) : shape_(shape), random_(shape.seed) {}

  // Weights are the same for every type: codes in {-1, 0, 1} times a power of two.
  Status write(const std::string& path, std::vector<std::pair<std::string, GgufValue>> extra_keys = {}) {
    GgufWriter w;
    const std::string p = shape_.arch + ".";
    w.add_key("general.architecture", shape_.arch);
    w.add_key(p + "block_count", shape_.layers);
    w.add_key(p + "embedding_length", shape_.dim);
    w.add_key(p + "attention.head_count", shape_.heads);
    w.add_key(p + "attention.head_count_kv", shape_.kv_heads);
    w.add_key(p + "feed_forward_length", shape_.ffn);
    w.add_key(p + "context_length", shape_.context);
    w.add_key(p + "attention.layer_norm_rms_epsilon", 1e-5f);
    w.add_key(p + "rope.freq_base", 10000.0f);
    for (auto& [name, value] : extra_keys) w.add_key(name, value);
    describe();
    for (const auto& t : tensors_) ONEBIT_TRY(w.add_tensor(t.name, t.type, t.cols, t.rows, t.rows == 1 ? 1 : 2));
    ONEBIT_TRY(w.begin(path));
    for (const auto& t : tensors_) {
      const std::vector<uint8_t> bytes = data(t);
      ONEBIT_TRY(w.write(bytes.data(), bytes.size()));
    }
    return w.finish();
  }

 private:
  struct Spec {
    std::string name;
    TensorType type;
    uint64_t cols, rows;
    enum { norm, linear, embedding } kind;
  };

  void describe() {
    const uint32_t d = shape_.dim, kv = shape_.kv_heads * shape_.head_dim(), f = shape_.ffn;
    tensors_ = {{"token_embd.weight", TensorType::f16, d, shape_.vocab, Spec::embedding},
                {"output_norm.weight", TensorType::f32, d, 1, Spec::norm}};
    for (uint32_t i = 0; i < shape_.layers; ++i) {
      const std::string b = "blk." + std::to_string(i) + ".";
      const auto norm = [&](const char* n, uint64_t cols) { tensors_.push_back({b + n + ".weight", TensorType::f32, cols, 1, Spec::norm}); };
      const auto linear = [&](const char* n, uint64_t cols, uint64_t rows) {
        tensors_.push_back({b + n + ".weight", shape_.type, cols, rows, Spec::linear});
      };
      norm("attn_norm", d);
      linear("attn_q", d, d);
      linear("attn_k", d, kv);
      linear("attn_v", d, kv);
      linear("attn_output", d, d);
      norm("ffn_norm", d);
      linear("ffn_gate", d, f);
      linear("ffn_up", d, f);
      linear("ffn_down", f, d);
      if (shape_.sub_norms()) {
        norm("attn_sub_norm", d);
        norm("ffn_sub_norm", f);
      }
    }
  }

  std::vector<uint8_t> data(const Spec& t) {
    const uint64_t n = t.cols * t.rows;
    std::vector<uint8_t> bytes(*tensor_bytes(t.type, t.cols, t.rows));
    if (t.kind != Spec::linear) {
      std::vector<float> x(n);
      for (float& v : x) v = t.kind == Spec::norm ? 1.0f + 0.25f * gauss() : f16_to_f32(f32_to_f16(gauss()));
      (void)encode(t.type, x.data(), n, bytes.data());
      return bytes;
    }
    const float scale = 1.0f / 16;
    std::vector<uint8_t> codes(n);
    for (auto& c : codes) c = static_cast<uint8_t>(random_() % 3);
    if (tensor_type_info(t.type).ternary) {
      ternary_encode(t.type, codes.data(), t.cols, t.rows, scale, bytes.data());
    } else {
      std::vector<float> x(n);
      for (uint64_t i = 0; i < n; ++i) x[i] = static_cast<float>(codes[i] - 1) * scale;
      (void)encode(t.type, x.data(), n, bytes.data());
    }
    return bytes;
  }

  float gauss() {
    double s = -6;
    for (int i = 0; i < 12; ++i) s += static_cast<double>(random_() >> 11) * 0x1.0p-53;
    return static_cast<float>(s);
  }

  TinyShape shape_;
  std::mt19937_64 random_;
  std::vector<Spec> tensors_;
};

}  // namespace onebit::testing
