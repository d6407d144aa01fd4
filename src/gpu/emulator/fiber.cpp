#include "gpu/emulator/fiber.h"

#include <cstdint>
#include <cstring>

extern "C" void onebit_switch_fiber(void** from, void* to);

#if defined(__x86_64__)
// System V ABI: rbx, rbp, r12..r15, and the control words of SSE and x87.
asm(R"(
  .text
  .globl onebit_switch_fiber
  .hidden onebit_switch_fiber
  .type onebit_switch_fiber, @function
onebit_switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  stmxcsr (%rsp)
  fnstcw 4(%rsp)
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size onebit_switch_fiber, .-onebit_switch_fiber
)");
#elif defined(__aarch64__)
// AAPCS64: x19..x30, d8..d15.
asm(R"(
  .text
  .globl onebit_switch_fiber
  .hidden onebit_switch_fiber
  .type onebit_switch_fiber, %function
onebit_switch_fiber:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .size onebit_switch_fiber, .-onebit_switch_fiber
)");
#else
#error "the SIMT emulator knows how to switch stacks on x86-64 and aarch64"
#endif

namespace onebit::gpu::emulator {

Fiber make_fiber(char* stack, size_t bytes, void (*entry)()) {
  const uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15};
  const auto address = reinterpret_cast<uintptr_t>(entry);
#if defined(__x86_64__)
  // Control words, six registers, the return address; entry begins with the stack as after a call.
  constexpr size_t kFrame = 8 + 6 * 8 + 8;
  const uintptr_t sp = top - 8 - kFrame;
  char* const frame = stack + (sp - reinterpret_cast<uintptr_t>(stack));
  std::memset(frame, 0, kFrame);
  asm volatile("stmxcsr (%0)\n\tfnstcw 4(%0)" ::"r"(frame) : "memory");
  std::memcpy(frame + kFrame - 8, &address, 8);
#else
  constexpr size_t kFrame = 160;
  const uintptr_t sp = top - kFrame;
  char* const frame = stack + (sp - reinterpret_cast<uintptr_t>(stack));
  std::memset(frame, 0, kFrame);
  std::memcpy(frame + 88, &address, 8);
#endif
  return frame;
}

void switch_fiber(Fiber* from, Fiber to) { onebit_switch_fiber(from, to); }

}  // namespace onebit::gpu::emulator
