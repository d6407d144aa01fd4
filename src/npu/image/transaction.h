// The run-time instruction stream ("insts.bin"): bytes <-> a vector of typed operations.
//
// Two encodings: version 0.1 (what mlir-aie and the firmware of XDNA 2 use) and the compact 1.0.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "npu/device/device.h"
#include "npu/image/bytes.h"

namespace onebit::npu {

struct TxnWrite {
  uint64_t address = 0;
  uint32_t value = 0;
  bool operator==(const TxnWrite&) const = default;
};
struct TxnBlockWrite {
  uint32_t address = 0;
  std::vector<uint32_t> data{};
  bool operator==(const TxnBlockWrite&) const = default;
};
struct TxnMaskWrite {
  uint64_t address = 0;
  uint32_t value = 0, mask = 0;
  bool operator==(const TxnMaskWrite&) const = default;
};
// Waits until (register & mask) == value; `busy`: the polling form that does not yield.
struct TxnMaskPoll {
  uint64_t address = 0;
  uint32_t value = 0, mask = 0;
  bool busy = false;
  bool operator==(const TxnMaskPoll&) const = default;
};
struct TxnNoop {
  bool operator==(const TxnNoop&) const = default;
};
struct TxnPreempt {
  uint8_t level = 0;  // 0 none, 1 memory tile, 2 core tile, 3 registers
  bool operator==(const TxnPreempt&) const = default;
};
struct TxnLoadPdi {
  uint16_t pdi_id = 0;
  uint32_t size = 0;
  uint64_t address = 0;
  bool operator==(const TxnLoadPdi&) const = default;
};
// TCT: waits for one task-completion token of every tile in columns x rows from (column, row).
struct TxnSync {
  uint8_t column = 0, row = 0;
  Direction direction = Direction::s2mm;
  uint8_t channel = 0;
  uint8_t columns = 1, rows = 1;
  bool operator==(const TxnSync&) const = default;
};
// Puts (address of buffer argument + offset) into the base address of a shim descriptor.
struct TxnDdrPatch {
  uint64_t address = 0;    // of the descriptor's word 1
  uint32_t argument = 0;   // 0 is bo0
  uint64_t offset = 0;     // bytes
  bool operator==(const TxnDdrPatch&) const = default;
};
// Operations without a typed form whose size is known: kept word for word.
struct TxnOther {
  uint8_t op = 0;
  std::vector<uint32_t> words{};  // after the first word
  bool operator==(const TxnOther&) const = default;
};

struct TxnOp {
  std::variant<TxnNoop, TxnWrite, TxnBlockWrite, TxnMaskWrite, TxnMaskPoll, TxnPreempt, TxnLoadPdi, TxnSync, TxnDdrPatch, TxnOther>
      body;
  uint32_t tail_words = 0;  // zero words after the documented layout (a C struct padded to 8 bytes)
  // Empty, or one word per word of the operation: found xor what the typed form alone would give.
  // Carries bits that no field owns.
  std::vector<uint32_t> unusual{};
  uint32_t offset = 0;  // in the stream it was read from; no part of its value

  bool operator==(const TxnOp& o) const { return body == o.body && tail_words == o.tail_words && unusual == o.unusual; }
};

struct Transaction {
  uint8_t major = 0, minor = 1;
  uint8_t generation = 4, rows = 6, columns = 8, mem_rows = 1;
  uint16_t padding = 0;
  std::vector<TxnOp> ops{};

  bool compact() const { return major == 1 && minor == 0; }
  bool operator==(const Transaction&) const = default;
};

inline constexpr size_t kTxnHeaderBytes = 16;

// The header for a device; version 0.1 unless `compact`.
Transaction make_transaction(const Device& device, bool compact = false);

Result<Transaction> read_transaction(Bytes bytes);
// Errc::out_of_range where the compact encoding cannot hold an address above 2^32 or an argument above 255.
Result<std::vector<uint8_t>> write_transaction(const Transaction& transaction);

std::string op_name(const TxnOp& op);  // "WRITE", "TCT", "op 130"

}  // namespace onebit::npu
