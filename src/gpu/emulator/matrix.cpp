#include "gpu/emulator/matrix.h"

#include "gpu/emulator/emulator.h"
#include "gpu/emulator/scheduler.h"

namespace onebit::gpu::emulator {
namespace {

// One thread's registers.
struct Fragments {
  int32_t* d;
  const uint32_t* a;
  const uint32_t* b;
};

const Fragments& of(void* const values[32], uint32_t lane) { return *static_cast<const Fragments*>(values[lane]); }
int32_t unsigned_byte(uint32_t x, uint32_t j) { return static_cast<uint8_t>(x >> 8 * j); }
int32_t signed_byte(uint32_t x, uint32_t j) { return static_cast<int8_t>(x >> 8 * j); }

void combine_nvidia(void* const values[32]) {
  int32_t a[16][32], b[32][8];
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint32_t g = lane / 4, c = lane % 4;
    for (uint32_t j = 0; j < 4; ++j) {
      for (uint32_t i = 0; i < 4; ++i)
        a[g + 8 * (i % 2)][16 * (i / 2) + 4 * c + j] = unsigned_byte(of(values, lane).a[i], j);
      for (uint32_t i = 0; i < 2; ++i) b[16 * i + 4 * c + j][g] = signed_byte(of(values, lane).b[i], j);
    }
  }
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      for (uint32_t k = 0; k < 32; ++k) of(values, lane).d[i] += a[row][k] * b[k][column];
    }
}

void multiply16(const int32_t (&a)[16][16], const int32_t (&b)[16][16], void* const values[32],
                uint32_t (*row_of)(uint32_t lane, uint32_t i)) {
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 8; ++i)
      for (uint32_t k = 0; k < 16; ++k) of(values, lane).d[i] += a[row_of(lane, i)][k] * b[k][lane % 16];
}

void combine_gfx11(void* const values[32]) {
  int32_t a[16][16], b[16][16];
  // What the upper lanes give must be what the lower ones gave: the product is poisoned where it is not.
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i)
      for (uint32_t j = 0; j < 4; ++j) {
        int32_t& x = a[lane % 16][4 * i + j];
        int32_t& y = b[4 * i + j][lane % 16];
        const int32_t s = signed_byte(of(values, lane).a[i], j), u = unsigned_byte(of(values, lane).b[i], j);
        if (lane < 16) {
          x = s;
          y = u;
        } else if (x != s || y != u) {
          x = y = 0x4321;
        }
      }
  multiply16(a, b, values, [](uint32_t lane, uint32_t i) { return 2 * i + lane / 16; });
}

void combine_gfx12(void* const values[32]) {
  int32_t a[16][16], b[16][16];
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 2; ++i)
      for (uint32_t j = 0; j < 4; ++j) {
        const uint32_t k = 8 * (lane / 16) + 4 * i + j;
        a[lane % 16][k] = signed_byte(of(values, lane).a[i], j);
        b[k][lane % 16] = unsigned_byte(of(values, lane).b[i], j);
      }
  multiply16(a, b, values, [](uint32_t lane, uint32_t i) { return i + 8 * (lane / 16); });
}

}  // namespace

void mma_nvidia(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Fragments f{d, a, b};
  collective(&f, combine_nvidia, __LINE__);
}
void wmma_gfx11(int32_t* d, const uint32_t* a, const uint32_t* b) {
  Fragments f{d, a, b};
  collective(&f, combine_gfx11, __LINE__);
}
void wmma_gfx12(int32_t* d, const uint32_t* a, const uint32_t* b) {
  Fragments f{d, a, b};
  collective(&f, combine_gfx12, __LINE__);
}

}  // namespace onebit::gpu::emulator
