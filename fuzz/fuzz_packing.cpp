// The ternary packings and the other tensor formats. The first byte picks a type, the second the columns;
// the rest is taken once as codes, which must survive a round trip, and once as the bytes of a tensor,
// which must decode to something whatever they are.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

#include "format/codec.h"

using namespace onebit;

namespace {

GgufTensor tensor_of(TensorType type, uint64_t cols, uint64_t rows, const std::vector<uint8_t>& bytes) {
  GgufTensor t{};
  t.name = "t";
  t.type = type;
  t.dims = 2;
  t.ne = {cols, rows, 1, 1};
  t.size = bytes.size();
  t.data = bytes.data();
  return t;
}

void round_trip(TensorType type, uint64_t cols, const uint8_t* data, size_t size) {
  const uint64_t rows = size / cols;
  if (rows == 0) return;
  std::vector<uint8_t> codes(cols * rows);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = data[i] % 3;
  const float scale = f16_to_f32(static_cast<uint16_t>(data[0] | (data[1] & 0x3b) << 8));
  std::vector<uint8_t> packed(tensor_bytes(type, cols, rows).value(), 0xcc);
  ternary_encode(type, codes.data(), cols, rows, scale, packed.data());
  const GgufTensor t = tensor_of(type, cols, rows, packed);
  const auto info = ternary_info(t, I2sLayout::automatic);
  if (!info || !info->uniform || info->scale != scale) std::abort();
  std::vector<uint8_t> back(codes.size(), 9);
  ternary_codes(t, info->layout, 0, codes.size(), back.data());
  if (back != codes) std::abort();
  std::vector<float> values(codes.size(), NAN);
  decode(t, info->layout, 0, codes.size(), values.data());
  for (size_t i = 0; i < codes.size(); ++i)
    if (values[i] != static_cast<float>(codes[i] - 1) * scale) std::abort();
}

void any_bytes(TensorType type, uint64_t cols, const uint8_t* data, size_t size) {
  const uint64_t row_bytes = tensor_bytes(type, cols, 1).value();
  const uint64_t rows = type == TensorType::i2_s ? (size >= 32 ? (size - 32) * 4 / cols : 0) : size / row_bytes;
  if (rows == 0) return;
  const std::vector<uint8_t> bytes(data, data + tensor_bytes(type, cols, rows).value());
  const GgufTensor t = tensor_of(type, cols, rows, bytes);
  std::vector<float> values(t.elements());
  for (const auto layout : {I2sLayout::block128, I2sLayout::block64}) decode(t, layout, 0, t.elements(), values.data());
  if (!tensor_type_info(type).ternary) return;
  const auto info = ternary_info(t, I2sLayout::automatic);
  std::vector<uint8_t> codes(t.elements());
  ternary_codes(t, I2sLayout::block128, 0, t.elements(), codes.data());
  const bool code3 = std::find(codes.begin(), codes.end(), 3) != codes.end();
  if (info ? code3 : info.error().message.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr TensorType kTypes[] = {TensorType::i2_s, TensorType::tq1_0, TensorType::tq2_0, TensorType::f32,
                                   TensorType::f16,  TensorType::bf16,  TensorType::q8_0,  TensorType::q4_0,
                                   TensorType::q4_k, TensorType::q6_k};
  if (size < 4) return 0;
  const TensorType type = kTypes[data[0] % std::size(kTypes)];
  const uint64_t cols = 256 * (1 + data[1] % 4);
  data += 2;
  size -= 2;
  if (tensor_type_info(type).ternary) round_trip(type, cols, data, size);
  any_bytes(type, cols, data, size);
  return 0;
}
