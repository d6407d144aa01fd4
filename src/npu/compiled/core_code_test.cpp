#include "npu/compiled/core_code.h"

#include <gtest/gtest.h>

#include "npu/image/core_program.h"
#include "npu/kernels/start/core_main.h"
#include "npu/programs/programs.h"

namespace onebit::npu {
namespace {

// An executable with `code` bytes of program at 0 and four bytes of data at the bottom of the core's own memory.
std::vector<uint8_t> make_elf(uint32_t code) {
  ByteWriter out;
  out.bytes(std::vector<uint8_t>{0x7F, 'E', 'L', 'F', 1, 1, 1});
  out.zeros(9);
  out.u16(2);
  out.u16(264);
  for (const uint32_t word : {1u, 0u, 52u, 0u, 0u}) out.u32(word);
  for (const uint16_t half : {52, 32, 2, 40, 0, 0}) out.u16(half);
  for (const uint32_t word : {1u, 116u, 0u, 0u, code, code, 5u, 16u}) out.u32(word);
  for (const uint32_t word : {1u, 116u + code, 0x70000u, 0x70000u, 4u, 4u, 6u, 4u}) out.u32(word);
  for (uint32_t i = 0; i < code; ++i) out.u8(static_cast<uint8_t>(i + 1));
  out.u32(0x11223344);
  return out.take();
}

design::Program program() { return find_example_program("add_one")->build().value(); }
std::string id() { return core_program_id(design::lower(program())->cores[0].program).value(); }

TEST(CoreCode, WithoutCodeForTheSimulatorOnly) {
  const auto lowered = lower_with_code(program(), {});
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  EXPECT_FALSE(lowered->machine_code);
  EXPECT_FALSE(lowered->cores[0].program.machine_code);
  EXPECT_EQ(lowered->xclbin, design::lower(program())->xclbin);
}

TEST(CoreCode, CodeAndRecordAreBothInTheImage) {
  const std::vector<uint8_t> elf = make_elf(256);
  const std::string name = id();
  const CoreCode table[] = {{"0000000000000000", {}}, {name, elf}};
  const auto lowered = lower_with_code(program(), table);
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  EXPECT_TRUE(lowered->machine_code);
  EXPECT_EQ(lowered->cores[0].code_bytes, 256u);
  EXPECT_TRUE(lowered->cores[0].program.machine_code);
}

TEST(CoreCode, CodeThatReachesIntoTheRecordIsRefused) {
  const std::vector<uint8_t> elf = make_elf(16 * 1024 - 16);
  const std::string name = id();
  const CoreCode table[] = {{name, elf}};
  const auto lowered = lower_with_code(program(), table);
  ASSERT_FALSE(lowered.has_value());
  EXPECT_TRUE(lowered.error().message.starts_with("core (0,2): core ELF: segment 0 ends at 0x3ff0 of program memory, expected at most 0x"))
      << lowered.error().message;
}

}  // namespace
}  // namespace onebit::npu
