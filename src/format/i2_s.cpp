// I2_S: the flattened tensor in blocks of B elements in B / 4 bytes, then an f32 scale in 32 bytes.
// Byte p of a block holds elements p, B/4 + p, B/2 + p, 3B/4 + p in bits 7:6, 5:4, 3:2, 1:0. B is 128 in
// files made on x86 and 64 in files made on ARM.
#include <algorithm>

#include "format/blocks.h"

namespace onebit {
namespace {

template <uint32_t kBytes>
void unpack_blocks(const uint8_t* in, uint64_t blocks, uint8_t* codes) {
  for (uint64_t b = 0; b < blocks; ++b, in += kBytes, codes += 4 * kBytes)
    for (uint32_t l = 0; l < 4; ++l)
      for (uint32_t p = 0; p < kBytes; ++p) codes[l * kBytes + p] = (in[p] >> (6 - 2 * l)) & 3;
}

uint32_t block_elements(I2sLayout layout) { return layout == I2sLayout::block64 ? 64 : 128; }

uint8_t code_at(const uint8_t* data, uint32_t block, uint64_t element) {
  const uint32_t quarter = block / 4;
  const uint32_t in_block = static_cast<uint32_t>(element % block);
  return (data[element / block * quarter + in_block % quarter] >> (6 - 2 * (in_block / quarter))) & 3;
}

}  // namespace

float i2_s_scale(const GgufTensor& tensor) {
  float scale;
  std::memcpy(&scale, tensor.data + tensor.elements() / 4, sizeof scale);
  return scale;
}

uint64_t i2_s_find_code3(const GgufTensor& tensor, I2sLayout layout) {
  constexpr uint64_t kChunk = 4096;
  const uint64_t bytes = tensor.elements() / 4;
  for (uint64_t at = 0; at < bytes; at += kChunk) {
    const uint64_t n = std::min(kChunk, bytes - at);
    uint8_t seen = 0;
    for (uint64_t i = 0; i < n; ++i) seen |= tensor.data[at + i] & tensor.data[at + i] >> 1;
    if (!(seen & 0x55)) continue;
    const uint64_t begin = at * 4, end = begin + n * 4;
    for (uint64_t e = begin; e < end; ++e)
      if (code_at(tensor.data, block_elements(layout), e) == 3) return e;
  }
  return tensor.elements();
}

void i2_s_codes(const GgufTensor& tensor, I2sLayout layout, uint64_t first, uint64_t count, uint8_t* codes) {
  const uint32_t block = block_elements(layout);
  const uint64_t end = first + count;
  // A row need not begin or end with a block: its edges go one by one.
  while (first < end && first % block) *codes++ = code_at(tensor.data, block, first++);
  const uint64_t blocks = (end - first) / block;
  const uint8_t* in = tensor.data + first / 4;
  if (block == 128)
    unpack_blocks<32>(in, blocks, codes);
  else
    unpack_blocks<16>(in, blocks, codes);
  codes += blocks * block;
  for (first += blocks * block; first < end; ++first) *codes++ = code_at(tensor.data, block, first);
}

void i2_s_pack(const uint8_t* codes, uint64_t elements, float scale, uint8_t* out) {
  for (uint64_t b = 0; b < elements / 128; ++b, codes += 128, out += 32)
    for (uint32_t p = 0; p < 32; ++p)
      out[p] = static_cast<uint8_t>(codes[p] << 6 | codes[32 + p] << 4 | codes[64 + p] << 2 | codes[96 + p]);
  std::memset(out, 0, 32);
  std::memcpy(out, &scale, sizeof scale);
}

}  // namespace onebit
