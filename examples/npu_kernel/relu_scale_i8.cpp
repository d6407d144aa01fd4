// out[i] = max(in[i], 0) * factor / 2^shift, rounded to nearest (ties to even) and clamped to int8.
//
// Schedule: for 64 elements one load (lda), one maximum (mv), one multiplication (vec) and one store that shifts and
// narrows on its way (st): one cycle each in four different slots, so 1 cycle for 64 elements in a full pipeline. An
// accumulator of 64 lanes is narrowed by four such stores of 16 lanes, though, so the st slot decides: 4 cycles.
#include <aie_api/aie.hpp>

extern "C" void relu_scale_i8(const int8_t* __restrict in, int8_t* __restrict out, int32_t count, int32_t factor, int32_t shift) {
  aie::set_rounding(aie::rounding_mode::conv_even);
  aie::set_saturation(aie::saturation_mode::saturate);
  for (int32_t i = 0; i < count; i += 64) {
    const aie::vector<int8, 64> positive = aie::max(aie::load_v<64>(in + i), int8(0));
    const aie::accum<acc32, 64> product = aie::mul(positive, int8(factor));
    aie::store_v(out + i, product.to_vector<int8>(shift));
  }
}
