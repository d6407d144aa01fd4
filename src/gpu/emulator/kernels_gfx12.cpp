#define ONEBIT_GPU_EMULATOR 1
#define ONEBIT_MATRIX_GFX12 1
#define ONEBIT_EMULATOR_MATRIX gfx12
#include "gpu/emulator/kernels.inl"
