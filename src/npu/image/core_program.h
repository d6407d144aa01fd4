// What a core runs, as data: the loop of lock operations and kernel calls around one or more kernels.
//
// The record travels inside the image, at the end of the core's program memory, so that a simulator needs
// nothing but the bytes of the image: it reads the record and calls the host build of each kernel by name.
// The start code of a compiled core is generated from the same value. Program memory then holds machine
// code at the front and the record at the back; without a compiler only the record, marked as such.
//
// Layout, little endian: the record (write_core_record), then, as the last 16 bytes of program memory, the
// trailer: "1BITCORE", u32 bytes of the record, u32 FNV-1a of the record. The record is padded with zeros to
// a multiple of 16 bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "npu/image/bytes.h"

namespace onebit::npu {

// A number known when the program is built, or a 32-bit word that the core loads when it gets there.
struct CoreValue {
  bool parameter = false;
  int32_t number = 0;    // if !parameter
  uint32_t address = 0;  // of the word in the core's view (0x40000 to 0x7FFFC), if parameter
  bool operator==(const CoreValue&) const = default;
};

// Buffers of one end of a fifo, used in turn. The cursor starts at 0 when the core starts.
struct CoreRing {
  std::vector<uint32_t> addresses{};  // in the core's view, 4-byte aligned
  uint32_t bytes = 0;                 // of each
  bool operator==(const CoreRing&) const = default;
};

struct CoreStep;
struct StepAcquire {  // waits until the lock is >= value (or == value), then subtracts value
  uint8_t lock = 0;   // in the core's view: 0-15 south, 16-31 west, 32-47 north, 48-63 own
  int8_t value = 1;
  bool equal = false;
  bool operator==(const StepAcquire&) const = default;
};
struct StepRelease {  // adds value
  uint8_t lock = 0;
  int8_t value = 1;
  bool operator==(const StepRelease&) const = default;
};
struct StepAdvance {  // moves the cursor of a ring on by `by` buffers
  uint16_t ring = 0;
  uint16_t by = 1;
  bool operator==(const StepAdvance&) const = default;
};
struct ArgBuffer {  // a fixed place
  uint32_t address = 0;
  uint32_t bytes = 0;
  bool operator==(const ArgBuffer&) const = default;
};
struct ArgRing {  // the buffer `ahead` places after the cursor
  uint16_t ring = 0;
  uint16_t ahead = 0;
  bool operator==(const ArgRing&) const = default;
};
using CoreArgument = std::variant<CoreValue, ArgBuffer, ArgRing>;
struct StepCall {
  uint16_t kernel = 0;  // index into CoreProgram::kernels
  std::vector<CoreArgument> arguments{};
  bool operator==(const StepCall&) const = default;
};
struct StepLoop {
  CoreValue count{};  // times the body runs; a negative number means for ever
  std::vector<CoreStep> body;
  bool operator==(const StepLoop&) const;
};
struct CoreStep {
  std::variant<StepAcquire, StepRelease, StepAdvance, StepCall, StepLoop> body;
  bool operator==(const CoreStep&) const = default;
};
inline bool StepLoop::operator==(const StepLoop& o) const { return count == o.count && body == o.body; }

struct CoreProgram {
  bool machine_code = false;            // compiled code lies in front of the record
  std::vector<std::string> kernels{};   // names of kernel functions
  std::vector<CoreRing> rings{};
  std::vector<CoreStep> steps{};        // the core is done after the last one
  bool operator==(const CoreProgram&) const = default;
};

inline constexpr size_t kCoreTrailerBytes = 16;
inline constexpr unsigned kMaxLoopDepth = 8;

// Record and trailer, a multiple of 16 bytes, to be placed so that it ends where program memory ends.
// Errc::out_of_range where a count does not fit the format.
Result<std::vector<uint8_t>> write_core_record(const CoreProgram& program);

// Nothing where program memory has no trailer; an error where it has one and the record does not hold:
// wrong checksum, an index out of range, a value outside its range, loops nested deeper than kMaxLoopDepth.
Result<std::optional<CoreProgram>> read_core_record(Bytes program_memory);

// The program as text, one step a line, loops indented: for `npu inspect` and `npu show`.
std::string to_text(const CoreProgram& program);

}  // namespace onebit::npu
