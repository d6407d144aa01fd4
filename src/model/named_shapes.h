// Shapes of published models, by the names the command line uses.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace onebit {

struct NamedShape {
  const char* name;
  const char* arch;
  uint32_t layers, hidden, heads, kv_heads, head_size, ffn, vocab, context;
  float rope_base;
  bool spm;          // a SentencePiece vocabulary, as the Llama 2 family has
  bool own_output;   // output.weight beside token_embd.weight (architecture llama)
  const char* pre;
};

inline constexpr NamedShape kNamedShapes[] = {
    {"bitnet-2b-4t", "bitnet-b1.58", 30, 2560, 20, 5, 128, 6912, 128256, 4096, 500000, false, false, "llama-bpe"},
    {"bitnet-0.7b", "bitnet", 24, 1536, 16, 16, 96, 4096, 32002, 2048, 10000, true, false, ""},
    {"bitnet-3b", "bitnet", 26, 3200, 32, 32, 100, 8640, 32002, 2048, 10000, true, false, ""},
    {"falcon3-10b", "llama", 40, 3072, 12, 4, 256, 23040, 131072, 32768, 1000042, false, true, "falcon3"},
    {"llama3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, 500000, false, true, "llama-bpe"},
    {"tiny", "bitnet-b1.58", 2, 256, 4, 2, 64, 768, 512, 512, 10000, false, false, "llama-bpe"},
};
inline constexpr const char* kShapeNames = "bitnet-2b-4t, bitnet-0.7b, bitnet-3b, falcon3-10b, llama3-8b, tiny";

inline const NamedShape* find_shape(std::string_view name) {
  const auto* s = std::find_if(std::begin(kNamedShapes), std::end(kNamedShapes), [&](const NamedShape& n) { return name == n.name; });
  return s == std::end(kNamedShapes) ? nullptr : s;
}

}  // namespace onebit
