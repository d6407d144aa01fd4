#include "format/codec.h"

#include <cassert>
#include <cmath>

#include "format/blocks.h"
#include "format/gguf_read.h"

namespace onebit {
namespace {

const TernaryBlockFormat* block_format(TensorType type) {
  if (type == TensorType::tq1_0) return &tq1_0_format;
  if (type == TensorType::tq2_0) return &tq2_0_format;
  return nullptr;
}

void decode_ternary(const GgufTensor& tensor, I2sLayout layout, uint64_t first, uint64_t count, float* out) {
  const TernaryBlockFormat* format = block_format(tensor.type);
  uint8_t codes[kTernaryBlock];
  while (count > 0) {
    const uint64_t n = std::min<uint64_t>(count, kTernaryBlock);
    ternary_codes(tensor, layout, first, n, codes);
    const float scale = format ? load_f16(tensor.data + first / kTernaryBlock * format->bytes + format->scale_offset)
                               : i2_s_scale(tensor);
    for (uint64_t i = 0; i < n; ++i) out[i] = static_cast<float>(codes[i] - 1) * scale;
    first += n;
    count -= n;
    out += n;
  }
}

Result<TernaryInfo> i2_s_info(const GgufTensor& tensor, I2sLayout layout) {
  TernaryInfo info{};
  info.uniform = true;
  info.scale = i2_s_scale(tensor);
  // The dialects permute the codes inside 128 elements and change nothing else: the set of codes, the size
  // and the place of the scale are the same, so the bytes of a tensor cannot tell them apart.
  info.layout_certain = layout != I2sLayout::automatic;
  info.layout = info.layout_certain ? layout : I2sLayout::block128;
  if (!std::isfinite(info.scale))
    return fail(Errc::format, "tensor '{}': I2_S scale {}, expected a finite number", gguf_printable(tensor.name), info.scale);
  const uint64_t bad = i2_s_find_code3(tensor, info.layout);
  if (bad < tensor.elements())
    return fail(Errc::format, "tensor '{}': element {} has code 3, expected 0, 1 or 2 (-1, 0, +1)", gguf_printable(tensor.name), bad);
  return info;
}

bool all_zero(const TernaryBlockFormat& format, const uint8_t* block) {
  uint8_t codes[kTernaryBlock];
  format.codes(block, codes);
  uint8_t other = 0;
  for (const uint8_t c : codes) other |= c ^ 1;
  return other == 0;
}

uint64_t find_code3(const TernaryBlockFormat& format, const uint8_t* block) {
  uint8_t codes[kTernaryBlock];
  format.codes(block, codes);
  uint64_t i = 0;
  while (i + 1 < kTernaryBlock && codes[i] != 3) ++i;
  return i;
}

Result<TernaryInfo> blocks_info(const GgufTensor& tensor, const TernaryBlockFormat& format) {
  const uint64_t blocks = tensor.elements() / kTernaryBlock;
  uint16_t scale = load_u16(tensor.data + format.scale_offset);
  bool uniform = true;
  bool settled = false;  // `scale` belongs to a block that is not all zero
  for (uint64_t b = 0; b < blocks; ++b) {
    const uint8_t* block = tensor.data + b * format.bytes;
    const uint16_t d = load_u16(block + format.scale_offset);
    if ((d & 0x7c00) == 0x7c00)
      return fail(Errc::format, "tensor '{}': scale of block {} is {}, expected a finite number", gguf_printable(tensor.name), b, f16_to_f32(d));
    if (format.has_code3(block))
      return fail(Errc::format, "tensor '{}': element {} has code 3, expected 0, 1 or 2 (-1, 0, +1)",
                  gguf_printable(tensor.name), b * kTernaryBlock + find_code3(format, block));
    if (settled && (d == scale || !uniform)) continue;
    if (all_zero(format, block)) continue;
    if (!settled) scale = d;
    settled = true;
    uniform = uniform && d == scale;
  }
  return TernaryInfo{uniform, f16_to_f32(scale), I2sLayout::automatic, true};
}

}  // namespace

std::string_view i2s_layout_name(I2sLayout layout) {
  switch (layout) {
    case I2sLayout::automatic: return "auto";
    case I2sLayout::block128: return "128";
    case I2sLayout::block64: return "64";
  }
  return "?";
}

void decode(const GgufTensor& tensor, I2sLayout layout, uint64_t first, uint64_t count, float* out) {
  const TensorTypeInfo& info = tensor_type_info(tensor.type);
  if (info.ternary) return decode_ternary(tensor, layout, first, count, out);
  assert(first % info.block == 0 && count % info.block == 0);
  const uint8_t* blocks = tensor.data + first / info.block * info.block_bytes;
  const uint64_t n = count / info.block;
  switch (tensor.type) {
    case TensorType::f32: return decode_f32(blocks, n, out);
    case TensorType::f16: return decode_f16(blocks, n, out);
    case TensorType::bf16: return decode_bf16(blocks, n, out);
    case TensorType::q8_0: return decode_q8_0(blocks, n, out);
    case TensorType::q4_0: return decode_q4_0(blocks, n, out);
    case TensorType::q4_k: return decode_q4_k(blocks, n, out);
    case TensorType::q6_k: return decode_q6_k(blocks, n, out);
    case TensorType::tq1_0:
    case TensorType::tq2_0:
    case TensorType::i2_s: return;
  }
}

Result<TernaryInfo> ternary_info(const GgufTensor& tensor, I2sLayout layout) {
  if (tensor.type == TensorType::i2_s) return i2_s_info(tensor, layout);
  if (const TernaryBlockFormat* format = block_format(tensor.type)) return blocks_info(tensor, *format);
  return fail(Errc::unsupported, "tensor '{}' is {}, expected I2_S, TQ1_0 or TQ2_0", gguf_printable(tensor.name),
              tensor_type_info(tensor.type).name);
}

void ternary_codes(const GgufTensor& tensor, I2sLayout layout, uint64_t first, uint64_t count, uint8_t* codes) {
  const TernaryBlockFormat* format = block_format(tensor.type);
  if (!format) return i2_s_codes(tensor, layout, first, count, codes);
  assert(first % kTernaryBlock == 0 && count % kTernaryBlock == 0);
  const uint8_t* block = tensor.data + first / kTernaryBlock * format->bytes;
  for (uint64_t i = 0; i < count; i += kTernaryBlock, block += format->bytes) format->codes(block, codes + i);
}

void ternary_encode(TensorType type, const uint8_t* codes, uint64_t cols, uint64_t rows, float scale, uint8_t* out) {
  const uint64_t elements = cols * rows;
  const TernaryBlockFormat* format = block_format(type);
  if (!format) return i2_s_pack(codes, elements, scale, out);
  const uint16_t d = f32_to_f16(scale);
  for (uint64_t i = 0; i < elements; i += kTernaryBlock, out += format->bytes) {
    format->pack(codes + i, out);
    std::memcpy(out + format->scale_offset, &d, sizeof d);
  }
}

Status encode(TensorType type, const float* x, uint64_t count, uint8_t* out) {
  switch (type) {
    case TensorType::f32:
      if (count) std::memcpy(out, x, count * sizeof(float));
      return {};
    case TensorType::f16: encode_f16(x, count, out); return {};
    case TensorType::bf16: encode_bf16(x, count, out); return {};
    case TensorType::q8_0:
      if (count % 32) return fail(Errc::out_of_range, "{} elements, expected a multiple of 32 for Q8_0", count);
      return encode_q8_0(x, count / 32, out);
    default: return fail(Errc::unsupported, "encoding floats as {} is not supported", tensor_type_info(type).name);
  }
}

}  // namespace onebit
