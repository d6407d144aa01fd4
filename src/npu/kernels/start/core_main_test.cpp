#include "npu/kernels/start/core_main.h"

#include <aie_api/core.hpp>

#include <gtest/gtest.h>

#include <cstring>

#include "npu/kernels/start/core_main_example.h"

extern "C" void core_main();  // generated from core_main_example()

namespace {
std::vector<std::string> calls;
std::vector<uint8_t> view(0x80000);  // data memory by address in the core's view

int32_t address_of(const void* p) { return static_cast<int32_t>(static_cast<const uint8_t*>(p) - view.data()); }
}  // namespace

extern "C" {
void example_two(void* a, void* b, int32_t x, int32_t y) { calls.push_back(fmt::format("two {:#x} {:#x} {} {}", address_of(a), address_of(b), x, y)); }
void example_one(void* a) { calls.push_back(fmt::format("one {:#x}", address_of(a))); }
void example_none() {
  calls.push_back("none");
  ++view[onebit::npu::kExampleCountAddress];  // read anew each time the inner loop is entered
}
}

namespace onebit::npu {
namespace {

// What the record means, step by step: the reference for the generated text.
class Interpreter {
 public:
  explicit Interpreter(const CoreProgram& p) : program_(p), cursors_(p.rings.size()) {}
  void run(const std::vector<CoreStep>& steps) {
    for (const CoreStep& s : steps) std::visit([this](const auto& body) { step(body); }, s.body);
  }

 private:
  static int32_t value(const CoreValue& v) {
    if (!v.parameter) return v.number;
    int32_t word;
    std::memcpy(&word, &view[v.address], 4);
    return word;
  }
  void step(const StepAcquire& s) { calls.push_back(fmt::format("acquire {} {} {}", s.lock, s.value, s.equal)); }
  void step(const StepRelease& s) { calls.push_back(fmt::format("release {} {}", s.lock, s.value)); }
  void step(const StepAdvance& s) { cursors_[s.ring] += s.by; }
  void step(const StepLoop& s) {
    const int32_t n = value(s.count);
    for (int32_t i = 0; i < n; ++i) run(s.body);
  }
  void step(const StepCall& s) {
    std::string text = program_.kernels[s.kernel].substr(8);
    for (const CoreArgument& a : s.arguments) {
      if (const auto* v = std::get_if<CoreValue>(&a)) text += fmt::format(" {}", value(*v));
      if (const auto* b = std::get_if<ArgBuffer>(&a)) text += fmt::format(" {:#x}", b->address);
      if (const auto* r = std::get_if<ArgRing>(&a)) {
        const auto& ring = program_.rings[r->ring].addresses;
        text += fmt::format(" {:#x}", ring[(cursors_[r->ring] + r->ahead) % ring.size()]);
      }
    }
    calls.push_back(text);
    if (text == "none") ++view[kExampleCountAddress];
  }
  const CoreProgram& program_;
  std::vector<size_t> cursors_;
};

void reset_memory() {
  std::fill(view.begin(), view.end(), uint8_t{0});
  view[kExampleCountAddress] = 2;
  view[kExampleScalarAddress] = 99;
  calls.clear();
}

TEST(CoreMain, GeneratedTextDoesWhatTheRecordSays) {
  reset_memory();
  Interpreter(core_main_example()).run(core_main_example().steps);
  const auto want = calls;
  EXPECT_EQ(want.size(), 43u);  // 3 times around, 2 + 3 + 4 times inside with 4 calls each, and the last call
  reset_memory();
  aie::host::core_hooks = {nullptr, [](void*, unsigned id, int v, bool equal) { calls.push_back(fmt::format("acquire {} {} {}", id, v, equal)); },
                           [](void*, unsigned id, int v) { calls.push_back(fmt::format("release {} {}", id, v)); },
                           [](void*, uint32_t address) -> void* { return &view.at(address); }};
  core_main();
  aie::host::core_hooks = {};
  EXPECT_EQ(calls, want);
}

TEST(CoreMain, EndlessLoopsAndEvenRings) {
  CoreProgram p;
  p.kernels = {"k"};
  p.rings = {{{0x70400, 0x70800, 0x70C00}, 64}};
  p.steps.push_back({StepLoop{{false, -1, 0}, {{StepCall{0, {ArgRing{0, 0}}}}}}});
  const std::string text = core_main_source(p).value();
  EXPECT_NE(text.find("for (;;) {\n    k(ring0(cursor0 + 0));\n  }\n"), std::string::npos) << text;
  EXPECT_NE(text.find("return onebit::core::at(0x70400 + i * 0x400u);"), std::string::npos) << text;
}

TEST(CoreMain, RefusesWhatNoCompilerMaySee) {
  CoreProgram p;
  p.kernels = {"k(); evil"};
  EXPECT_EQ(core_main_source(p).error().message, "kernel name 'k(); evil', expected a C identifier");
  p.kernels = {"k"};
  p.steps = {{StepCall{0, {CoreValue{false, 1, 0}}}}, {StepCall{0, {ArgBuffer{0x70000, 4}}}}};
  EXPECT_EQ(core_main_source(p).error().message, "kernel k is called with (int32_t) and with (void*)");
}

TEST(CoreMain, LinkerScriptHoldsTheLimits) {
  const std::string script = core_linker_script({.program_bytes = 0x3E00, .data_bytes = 1024});
  EXPECT_NE(script.find("LENGTH = 0x3e00"), std::string::npos);
  EXPECT_NE(script.find("ORIGIN = 0x70000, LENGTH = 0x400"), std::string::npos);
  EXPECT_NE(script.find("ASSERT(core_stack + 512 <= 0x70400,"), std::string::npos) << script;
}

TEST(CoreMain, IdNamesTheProgramNotItsCode) {
  CoreProgram p = core_main_example();
  const std::string id = core_program_id(p).value();
  EXPECT_EQ(id.size(), 16u);
  p.machine_code = true;
  EXPECT_EQ(core_program_id(p).value(), id);
  p.steps.push_back({StepRelease{48, 1}});
  EXPECT_NE(core_program_id(p).value(), id);
}

}  // namespace
}  // namespace onebit::npu
