// The kernels for the host, with the matrix instructions that the including file chose. All of it has internal linkage
// but the table.
#include "gpu/kernels/kernels.hip"

#define ONEBIT_KERNELS_OF(matrix) ONEBIT_CONCAT(kernels_, matrix)

namespace onebit::gpu::emulator {

std::span<const Kernel> ONEBIT_KERNELS_OF(ONEBIT_EMULATOR_MATRIX)();
std::span<const Kernel> ONEBIT_KERNELS_OF(ONEBIT_EMULATOR_MATRIX)() { return registered_kernels(); }

}  // namespace onebit::gpu::emulator
