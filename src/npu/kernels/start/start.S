// Where a core begins after its reset, at address 0: the stack grows upwards from core_stack. A call has five delay slots.
  .section .text.start, "ax"
  .global __start
  .type __start, STT_FUNC
__start:
  JL #core_start
  MOVXM sp, #core_stack
  NOP
  NOP
  NOP
  NOP
