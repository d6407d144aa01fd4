// CDO v2, the list of register commands inside a PDI: bytes <-> a vector of typed commands.
//
// Header: 4, "CDO\0", version, body length in words, NOT(sum of the four). A command is one word
// (command, module, payload length; length 255 means the next word holds it) and its payload.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "npu/image/bytes.h"

namespace onebit::npu {

struct CdoWrite {
  uint64_t address = 0;
  uint32_t value = 0;
  bool operator==(const CdoWrite&) const = default;
};
struct CdoMaskWrite {
  uint64_t address = 0;
  uint32_t mask = 0, value = 0;
  bool operator==(const CdoMaskWrite&) const = default;
};
struct CdoMaskPoll {
  uint64_t address = 0;
  uint32_t mask = 0, expected = 0, timeout_ms = 0;
  bool operator==(const CdoMaskPoll&) const = default;
};
struct CdoDmaWrite {
  uint64_t address = 0;
  std::vector<uint32_t> data{};  // to consecutive words from address
  bool operator==(const CdoDmaWrite&) const = default;
};
struct CdoNop {
  uint32_t words = 0;  // of zero payload
  bool operator==(const CdoNop&) const = default;
};
// Any other command, or a known one with an unexpected shape: kept word for word.
struct CdoOther {
  uint32_t header = 0;  // as found; the length byte is rewritten
  std::vector<uint32_t> payload{};
  bool operator==(const CdoOther&) const = default;
};

struct CdoCommand {
  std::variant<CdoNop, CdoWrite, CdoMaskWrite, CdoMaskPoll, CdoDmaWrite, CdoOther> body;
  bool wide = false;       // the form with a 64-bit address; set where the address needs it
  bool long_form = false;  // the length in its own word although it is below 255
  uint32_t offset = 0;     // of the command in the CDO it was read from; no part of its value

  bool operator==(const CdoCommand& o) const { return body == o.body && wide == o.wide && long_form == o.long_form; }
};

struct Cdo {
  std::vector<CdoCommand> commands{};
  bool operator==(const Cdo&) const = default;
};

inline constexpr uint32_t kCdoHeaderWords = 5;
inline constexpr uint32_t kCdoMagic = 0x004F4443;  // "CDO\0"
inline constexpr uint32_t kCdoVersion = 0x200;
inline constexpr uint32_t kCdoLongLength = 255;

// Reads one CDO that fills `bytes` exactly.
Result<Cdo> read_cdo(Bytes bytes);
std::vector<uint8_t> write_cdo(const Cdo& cdo);

// Builds a CDO in the shapes that bootgen writes: data of a DMA_WRITE lies on a 16-byte boundary, a NOP
// before it fills the gap.
class CdoBuilder {
 public:
  // Each of the merged CDO files of a design opens with an empty one-word NOP.
  void nop(uint32_t words = 0);
  void write(uint64_t address, uint32_t value);
  void mask_write(uint64_t address, uint32_t mask, uint32_t value);
  // One word becomes a WRITE.
  void block_write(uint64_t address, std::vector<uint32_t> data);

  Cdo take() { return std::move(cdo_); }

 private:
  void add(CdoCommand command);
  Cdo cdo_;
  uint64_t words_ = kCdoHeaderWords;
};

// "WRITE", "DMA_WRITE", "MASK_POLL64", "0x10d".
std::string command_name(const CdoCommand& command);

}  // namespace onebit::npu
