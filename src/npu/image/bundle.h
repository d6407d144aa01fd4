// Bundles of AIE2P machine code, as far as a jump needs: how long one is, and where it jumps to.
//
// Formats and encodings: llvm-aie, llvm/lib/Target/AIE/aie2p/AIE2PCompositeFormats.td (which bits of a bundle are which slot)
// and AIE2PGenInstrInfo.td (J, JL, JZ, JNZ in the lng slot). Bit 0 is the lowest of the first byte.
//   length    bit 0 set: 16 bytes; else by the low four bits: 0000 2, 1000 4, x100 6, 0010 8, 1010 10, 0110 12, 1110 14
//   lng slot  42 bits where a format has it, at a place and behind fixed bits of the format's own
//   jump      lng bits 2:0 are 010 J, 100 JL, 110 JZ or JNZ (bit 16); bits 36:17 the address in bytes
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "npu/image/bytes.h"
#include "npu/image/program_memory.h"

namespace onebit::npu {

// Of the bundle that starts with this byte: 2 to 16.
uint32_t bundle_bytes(uint8_t first);

struct DirectJump {
  const char* name;  // "j", "jl", "jz", "jnz"
  uint32_t target;   // byte in program memory
};
// Nothing where the bundle (bundle_bytes() of them) jumps nowhere, or to an address in a register.
std::optional<DirectJump> direct_jump(Bytes bundle);


struct MachineCode {
  struct Jump {
    uint32_t at = 0;
    DirectJump jump{};
  };
  std::vector<uint32_t> starts;  // of bundles, rising
  std::vector<Jump> jumps;
};
// The bundles of `memory` in `pieces`, each from its start on. Behind the end of a function lies what fills up to the next
// one, which need not be bundles: where a jump goes to a multiple of 16 that a bundle would reach across, it starts there.
MachineCode decode(Bytes memory, std::span<const ProgramMemory::Range> pieces);

}  // namespace onebit::npu
