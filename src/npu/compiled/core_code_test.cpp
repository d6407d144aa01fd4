#include "npu/compiled/core_code.h"

#include <gtest/gtest.h>

#include "npu/compiled/stand_in_elf.h"
#include "npu/image/core_program.h"
#include "npu/programs/programs.h"

namespace onebit::npu {
namespace {

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
  const std::vector<uint8_t> elf = stand_in_elf(256);
  const std::string name = id();
  const CoreCode table[] = {{"0000000000000000", {}}, {name, elf}};
  const auto lowered = lower_with_code(program(), table);
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  EXPECT_TRUE(lowered->machine_code);
  EXPECT_EQ(lowered->cores[0].code_bytes, 256u);
  EXPECT_TRUE(lowered->cores[0].program.machine_code);
}

TEST(CoreCode, CodeThatReachesIntoTheRecordIsRefused) {
  const std::vector<uint8_t> elf = stand_in_elf(16 * 1024 - 16);
  const std::string name = id();
  const CoreCode table[] = {{name, elf}};
  const auto lowered = lower_with_code(program(), table);
  ASSERT_FALSE(lowered.has_value());
  EXPECT_TRUE(lowered.error().message.starts_with("core (0,2): core ELF: segment 0 ends at 0x3ff0 of program memory, expected at most 0x"))
      << lowered.error().message;
}

}  // namespace
}  // namespace onebit::npu
