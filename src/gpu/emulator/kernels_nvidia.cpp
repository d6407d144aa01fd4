#define ONEBIT_GPU_EMULATOR 1
#define ONEBIT_MATRIX_NVIDIA 1
#define ONEBIT_EMULATOR_MATRIX nvidia
#include "gpu/emulator/kernels.inl"
