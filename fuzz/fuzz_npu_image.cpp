// Readers of CDO, PDI, xclbin, instruction streams, core programs and core ELFs, and the linter on whatever they accept. What
// an image reader accepts must come back as the same bytes. A first byte of 0xFE turns the checksums right before
// reading, so that inputs get past them.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "npu/image/core_elf.h"
#include "npu/image/core_program.h"
#include "npu/image/lint.h"
#include "npu/image/npu_file.h"

using namespace onebit::npu;

namespace {

void put_u32(std::vector<uint8_t>& bytes, size_t offset, uint32_t v) {
  for (unsigned i = 0; i < 4; ++i) bytes[offset + i] = static_cast<uint8_t>(v >> (8 * i));
}

// A CDO around the input: length and checksum fit.
std::vector<uint8_t> wrap_cdo(Bytes body) {
  ByteWriter out;
  const uint32_t words = static_cast<uint32_t>(body.size() / 4);
  for (const uint32_t w : {4u, kCdoMagic, kCdoVersion, words, ~(4 + kCdoMagic + kCdoVersion + words)}) out.u32(w);
  out.bytes(body.first(4 * words));
  return out.take();
}

// An instruction stream whose size fits; the reader wants the op count as well, so it may still refuse.
std::vector<uint8_t> wrap_stream(Bytes input) {
  std::vector<uint8_t> bytes(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(input.size() / 4 * 4));
  if (bytes.size() >= kTxnHeaderBytes) put_u32(bytes, 12, static_cast<uint32_t>(bytes.size()));
  return bytes;
}

void exercise(Bytes bytes) {
  const auto file = read_npu_file(bytes);
  if (!file) return;
  const auto again = write_npu_file(*file);
  if (!again || *again != std::vector<uint8_t>(bytes.begin(), bytes.end())) std::abort();
  const std::vector<NpuFile> files{*file};
  for (const Generation g : {Generation::aie2, Generation::aie2p})
    if (lint(files, onebit::npu::device(g)).size() > 1001) std::abort();
}

void exercise_core(Bytes bytes) {
  if (const auto elf = read_core_elf(bytes)) {
    size_t total = 0;
    for (const ElfSegment& s : elf->segments) total += s.bytes.size();
    if (total > 16 * 1024 + 4 * 64 * 1024) std::abort();
  }
  if (const auto program = read_core_record(bytes); program && *program)
    if (to_text(**program).empty() && !(*program)->steps.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  exercise(input);
  exercise_core(input);
  if (size == 0 || data[0] != 0xFE) return 0;
  exercise(wrap_cdo(input.subspan(1)));
  exercise(wrap_stream(input.subspan(1)));
  return 0;
}
