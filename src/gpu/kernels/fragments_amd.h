// Operands of v_wmma_i32_16x16x16_iu8, shared by the AMD devices and their emulation; layouts in gpu/emulator/matrix.h.
#pragma once

namespace onebit::gpu {
namespace {

#if defined(ONEBIT_MATRIX_GFX12)
constexpr uint32_t kOperandRegisters = 2;
ONEBIT_DEVICE uint32_t operand_offset(uint32_t lane) { return lane / 16 * 8; }
ONEBIT_DEVICE uint32_t result_token(uint32_t i, uint32_t half) { return i + 8 * half; }
#else
constexpr uint32_t kOperandRegisters = 4;
ONEBIT_DEVICE uint32_t operand_offset(uint32_t) { return 0; }
ONEBIT_DEVICE uint32_t result_token(uint32_t i, uint32_t half) { return 2 * i + half; }
#endif
typedef uint32_t MatrixOperand ONEBIT_VECTOR(kOperandRegisters);
typedef int32_t MatrixSums ONEBIT_VECTOR(8);

}  // namespace
}  // namespace onebit::gpu
