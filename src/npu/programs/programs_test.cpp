#include "npu/programs/programs.h"

#include <gtest/gtest.h>

#include <set>

#include "npu/image/lint.h"
#include "npu/image/npu_file.h"
#include "npu/programs/run_example.h"

namespace onebit::npu {
namespace {

class Programs : public testing::TestWithParam<std::string> {
 protected:
  const ExampleProgram& program() const { return *find_example_program(GetParam()); }
  design::Lowered lowered() const {
    auto p = program().build();
    EXPECT_TRUE(p.has_value()) << p.error().message;
    auto l = design::lower(*p);
    EXPECT_TRUE(l.has_value()) << l.error().message;
    return std::move(*l);
  }
};

TEST_P(Programs, TheLinterFindsNothing) {
  const design::Lowered l = lowered();
  const NpuFile image = read_npu_file(l.xclbin).value();
  for (const ExampleShape& shape : program().shapes)
    for (const bool compact : {false, true}) {
      auto stream = program().sequence(l, shape);
      ASSERT_TRUE(stream.has_value()) << shape.name() << ": " << stream.error().message;
      if (compact) stream->major = 1, stream->minor = 0;
      const std::vector<uint8_t> bytes = write_transaction(*stream).value();
      std::string findings;
      for (const Finding& f : lint(std::vector<NpuFile>{image, read_npu_file(bytes).value()}, l.program.device()))
        findings += fmt::format("{}: {} [{}]\n", f.where, f.message, f.rule);
      EXPECT_EQ(findings, "") << shape.name();
    }
}

TEST_P(Programs, HasTwentyShapesAndTheSameBytesEachTime) {
  std::set<std::string> names;
  for (const ExampleShape& s : program().shapes) names.insert(s.name());
  EXPECT_GE(names.size(), 20u);
  EXPECT_EQ(names.size(), program().shapes.size());
  EXPECT_EQ(lowered().xclbin, lowered().xclbin);
}

TEST_P(Programs, EqualsTheReferenceThreeRunsPerContext) {
  const design::Lowered l = lowered();
  for (const ExampleShape& shape : program().shapes) {
    const std::vector<uint8_t> stream = write_transaction(program().sequence(l, shape).value()).value();
    auto context = open_example(l.program.device(), l.xclbin);
    ASSERT_TRUE(context.has_value()) << context.error().message;
    for (uint64_t run = 0; run < 3; ++run) {
      const auto report = run_example(*context, stream, program().data(shape, run));
      ASSERT_TRUE(report.has_value()) << shape.name() << ", run " << run << ": " << report.error().message;
    }
  }
}

// One context serves all shapes, one after the other: nothing of a run is left for the next.
TEST_P(Programs, EqualsTheReferenceAllShapesInOneContext) {
  const design::Lowered l = lowered();
  auto context = open_example(l.program.device(), l.pdi);
  ASSERT_TRUE(context.has_value()) << context.error().message;
  for (const ExampleShape& shape : program().shapes) {
    const std::vector<uint8_t> stream = write_transaction(program().sequence(l, shape).value()).value();
    const auto report = run_example(*context, stream, program().data(shape, 7));
    ASSERT_TRUE(report.has_value()) << shape.name() << ": " << report.error().message;
  }
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const ExampleProgram& p : example_programs()) list.push_back(p.name);
  return list;
}
INSTANTIATE_TEST_SUITE_P(All, Programs, testing::ValuesIn(names()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace onebit::npu
