#include "npu/image/core_elf.h"

#include <iterator>
#include <map>

#include "npu/device/device.h"

namespace onebit::npu {
namespace {

constexpr uint64_t kHeaderBytes = 52, kProgramHeaderBytes = 32;
constexpr uint32_t kLoad = 1;  // PT_LOAD
constexpr uint16_t kExecutable = 2;
constexpr uint32_t kWindowBytes = 64 * 1024, kViewEnd = kCoreOwnWindow + kWindowBytes;

Status check_header(const ByteReader& in) {
  ONEBIT_ASSIGN(const Bytes ident, in.slice(0, 16, "identification"));
  static constexpr uint8_t kIdent[] = {0x7F, 'E', 'L', 'F', 1, 1, 1};  // 32 bits, little endian, version 1
  static constexpr const char* kField[] = {"magic", "magic", "magic", "magic", "class", "data encoding", "version"};
  for (size_t i = 0; i < std::size(kIdent); ++i)
    if (ident[i] != kIdent[i]) return fail(Errc::format, "core ELF: {} at offset {} is {:#04x}, expected {:#04x}", kField[i], i, ident[i], kIdent[i]);
  ONEBIT_ASSIGN(const uint16_t type, in.u16(16, "type"));
  if (type != kExecutable) return fail(Errc::format, "core ELF: type is {}, expected {} (executable)", type, kExecutable);
  ONEBIT_ASSIGN(const uint16_t machine, in.u16(18, "machine"));
  if (machine != kElfMachineAie) return fail(Errc::unsupported, "core ELF: machine is {}, expected {} (AI Engine)", machine, kElfMachineAie);
  return {};
}

// Where a segment may lie: program memory, or one window of data memory.
Status check_place(unsigned index, uint32_t address, uint64_t bytes, uint32_t program_bytes) {
  if (address % 4) return fail(Errc::format, "core ELF: segment {} starts at {:#x}, expected a multiple of 4", index, address);
  if (address < kCoreSouthWindow) {
    if (address + bytes <= program_bytes) return {};
    return fail(Errc::out_of_range, "core ELF: segment {} ends at {:#x} of program memory, expected at most {:#x}", index, address + bytes, program_bytes);
  }
  if (address < kViewEnd && address % kWindowBytes + bytes <= kWindowBytes) return {};
  return fail(Errc::out_of_range, "core ELF: segment {} of {} bytes at {:#x}, expected within one of the 64 KiB windows of data from {:#x} to {:#x}", index,
              bytes, address, kCoreSouthWindow, kViewEnd);
}

class Occupied {
 public:
  // Segments are few or tiny, as none overlaps another: what is kept is bounded by the size of the memories.
  Status add(unsigned index, uint32_t address, uint32_t bytes) {
    const auto next = ends_.lower_bound(address);
    if ((next != ends_.end() && next->first < address + bytes) || (next != ends_.begin() && std::prev(next)->second > address))
      return fail(Errc::format, "core ELF: segment {} of {} bytes at {:#x} overlaps another", index, bytes, address);
    ends_[address] = address + bytes;
    return {};
  }

 private:
  std::map<uint32_t, uint32_t> ends_;  // by start
};

}  // namespace

Result<CoreElf> read_core_elf(Bytes file, uint32_t program_bytes) {
  const ByteReader in(file, "core ELF");
  ONEBIT_TRY(check_header(in));
  CoreElf elf;
  ONEBIT_ASSIGN(elf.entry, in.u32(24, "entry"));
  ONEBIT_ASSIGN(const uint32_t table, in.u32(28, "program header offset"));
  ONEBIT_ASSIGN(const uint16_t entry_bytes, in.u16(42, "program header size"));
  ONEBIT_ASSIGN(const uint16_t count, in.u16(44, "program header count"));
  ONEBIT_TRY(in.slice(0, kHeaderBytes, "header"));
  if (count && entry_bytes != kProgramHeaderBytes)
    return fail(Errc::format, "core ELF: program header size is {}, expected {}", entry_bytes, kProgramHeaderBytes);
  Occupied occupied;
  bool entry_in_code = false;
  for (unsigned i = 0; i < count; ++i) {
    const uint64_t at = table + kProgramHeaderBytes * i;
    ONEBIT_TRY(in.slice(at, kProgramHeaderBytes, "program header"));
    ONEBIT_ASSIGN(const uint32_t type, in.u32(at, "segment type"));
    if (type != kLoad) continue;
    ONEBIT_ASSIGN(const uint32_t offset, in.u32(at + 4, "segment offset"));
    ONEBIT_ASSIGN(const uint32_t address, in.u32(at + 12, "segment address"));
    ONEBIT_ASSIGN(const uint32_t in_file, in.u32(at + 16, "segment file size"));
    ONEBIT_ASSIGN(const uint32_t in_memory, in.u32(at + 20, "segment memory size"));
    if (in_file > in_memory)
      return fail(Errc::format, "core ELF: segment {} has {} bytes in the file, expected at most the {} in memory", i, in_file, in_memory);
    if (in_memory == 0) continue;
    const uint64_t padded = (uint64_t{in_memory} + 3) / 4 * 4;
    ONEBIT_TRY(check_place(i, address, padded, program_bytes));
    ONEBIT_TRY(occupied.add(i, address, static_cast<uint32_t>(padded)));
    ONEBIT_ASSIGN(const Bytes contents, in.slice(offset, in_file, "segment contents"));
    ElfSegment segment{address, {contents.begin(), contents.end()}};
    segment.bytes.resize(padded);
    if (segment.program() && elf.entry >= address && elf.entry - address < in_memory) entry_in_code = true;
    elf.segments.push_back(std::move(segment));
  }
  if (!entry_in_code) return fail(Errc::format, "core ELF: entry {:#x} is in no segment of program memory", elf.entry);
  return elf;
}

}  // namespace onebit::npu
