// Matrix instructions: where a warp's registers hold which element. The one place that states fragment layouts.
//
// All compute D = A B + C in int32 from bytes, codes unsigned and activations signed: A codes and B activations on NVIDIA,
// A activations and B codes on AMD.
//
// nvidia  mma.m16n8k32 (PTX ISA, section "Matrix fragments for mma.m16n8k32"). A 16 x 32, B 32 x 8, D 16 x 8; g = lane / 4,
//         c = lane % 4, byte j of a register:
//           A register 0: row g, k 4c + j; 1: row g + 8; 2: row g, k 16 + 4c + j; 3: row g + 8, k 16 + 4c + j
//           B register 0: k 4c + j, column g; 1: k 16 + 4c + j
//           D register 0, 1: row g, column 2c, 2c + 1; 2, 3: row g + 8
// gfx11   v_wmma_i32_16x16x16_iu8, wave32 (RDNA 3 ISA guide). A 16 x 16, B 16 x 16, D 16 x 16; lanes 16..31 repeat 0..15 in A and B:
//           A register i, byte j: row lane % 16, k 4i + j; B the same with columns
//           D register i: row 2i + lane / 16, column lane % 16
// gfx12   v_wmma_i32_16x16x16_iu8, wave32 (RDNA 4 ISA guide), h = lane / 16:
//           A register i (0, 1), byte j: row lane % 16, k 8h + 4i + j; B the same with columns
//           D register i: row i + 8h, column lane % 16
#pragma once

#include <cstdint>

namespace onebit::gpu::emulator {

void mma_nvidia(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void wmma_gfx11(int32_t* d, const uint32_t* a, const uint32_t* b);
void wmma_gfx12(int32_t* d, const uint32_t* a, const uint32_t* b);

}  // namespace onebit::gpu::emulator
