#define ONEBIT_GPU_EMULATOR 1
#define ONEBIT_MATRIX_GFX11 1
#define ONEBIT_EMULATOR_MATRIX gfx11
#include "gpu/emulator/kernels.inl"
