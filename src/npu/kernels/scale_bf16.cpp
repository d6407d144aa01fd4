// scale_bf16: out = (sum - correction of its row) * scale of its row, int32 to bfloat16: what a linear layer does to the sums
// of gemm_i8_t2_i32.cpp, where results that leave the array should take half the bytes.
//
// sums: m x n in blocks of 8 x 8 as that kernel leaves them, blocks of odd columns 4 times too large; out: bfloat16 in the
// same blocks. m is a multiple of 8, n of 16. rows: m x 8 corrections (int32), then m x 8 scales (float), each row's value
// eight times, so that a vector of them fits two rows of a block; a row's correction is the sum of its activations, its
// scale the product of the scales of activations and weights. Differences below 2^22 become floats exactly (odd blocks are
// compared with 4 times the correction and scaled by a quarter, both exact); the product is rounded to fp32, then to
// bfloat16. The device makes an fp32 product of several bfloat16 ones and may differ in its last bit.
//
// Schedule, for 16 elements: 1 VLDA, 1 VSUB (mv), the conversion to float, the product of two fp32 vectors, which takes
// about nine products of bfloat16 parts in the vec slot, the narrowing move, 1 VST of half a vector. Taken as 16 cycles, not
// overlapped further; no measurement supports the figure.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

extern "C" void scale_bf16(const int32_t* __restrict sums, const int32_t* __restrict rows, uint16_t* out_bits, int32_t m, int32_t n) {
  const int32_t* __restrict corrections = rows;
  const auto* __restrict scales = reinterpret_cast<const float*>(rows + m * 8);
  auto* __restrict out = reinterpret_cast<bfloat16*>(out_bits);
  aie::set_rounding(aie::rounding_mode::conv_even);
  for (int32_t i = 0; i < m / 8; ++i)
    for (int32_t pair = 0; pair < 4; ++pair) {  // of rows in a block
      const aie::vector<int32, 16> even_correction = aie::load_v<16>(corrections + i * 64 + pair * 16);
      const aie::vector<float, 16> even_scale = aie::load_v<16>(scales + i * 64 + pair * 16);
      const aie::vector<int32, 16> odd_correction = aie::upshift(even_correction, 2);
      const aie::vector<float, 16> odd_scale = aie::mul<accfloat>(even_scale, aie::broadcast<float, 16>(0.25F)).to_vector<float>();
      const auto scale = [&](int32_t block, const aie::vector<int32, 16>& correction, const aie::vector<float, 16>& factor) {
        const int32_t at = block * 64 + pair * 16;
        const aie::vector<float, 16> value = aie::to_float(aie::sub(aie::load_v<16>(sums + at), correction), 0);
        aie::store_v(out + at, aie::mul<accfloat>(value, factor).to_vector<bfloat16>());
      };
      for (int32_t j = 0; j < n / 8; j += 2) {
        scale(i * (n / 8) + j, even_correction, even_scale);
        scale(i * (n / 8) + j + 1, odd_correction, odd_scale);
      }
    }
}
