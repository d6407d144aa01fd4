#pragma once

#include <cstdint>

namespace onebit::gpu::emulator {

float half_to_float(uint16_t h);
uint16_t float_to_half(float x);

}  // namespace onebit::gpu::emulator
