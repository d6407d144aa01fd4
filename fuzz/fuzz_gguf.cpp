// Any bytes as a GGUF file: parsed or refused with a message, and what is accepted can be read whole.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "format/codec.h"
#include "format/gguf.h"

using namespace onebit;

namespace {

// Begin, middle and end of a tensor, in pieces of whole blocks.
void touch(const GgufTensor& t) {
  constexpr uint64_t kPiece = 1024;
  if (t.data == nullptr || t.elements() == 0) std::abort();
  std::vector<float> values(kPiece);
  const uint64_t n = t.elements();
  for (const uint64_t at : {uint64_t{0}, n / 2 / kPiece * kPiece, n < kPiece ? 0 : (n - 1) / kPiece * kPiece})
    decode(t, I2sLayout::block64, at, std::min(kPiece, n - at), values.data());
  if (!tensor_type_info(t.type).ternary) return;
  for (const auto layout : {I2sLayout::automatic, I2sLayout::block64})
    if (const auto info = ternary_info(t, layout)) {
      std::vector<uint8_t> codes(kPiece);
      const uint64_t part = std::min(kPiece, n);
      ternary_codes(t, info->layout, 0, part, codes.data());
      for (uint64_t i = 0; i < part; ++i)
        if (codes[i] > 2) std::abort();
    } else if (info.error().message.empty()) {
      std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto g = Gguf::parse({data, size}, "fuzz");
  if (!g) {
    if (g.error().message.empty()) std::abort();
    return 0;
  }
  for (const auto& key : g->keys()) {
    if (g->find_key(key.name) != &key.value) std::abort();
    (void)g->get_uint_or(key.name, 1, 1000, 1);
    (void)g->get_float_or(key.name, 0, 1, 0);
    (void)g->get_bool_or(key.name, false);
    (void)g->get_string_or(key.name, "");
  }
  for (const auto& tensor : g->tensors()) {
    if (g->find_tensor(tensor.name) != &tensor) std::abort();
    if (tensor.offset > size || tensor.size > size - tensor.offset) std::abort();
    touch(tensor);
  }
  return 0;
}
