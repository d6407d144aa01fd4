#include "npu/kernels/start/core_main.h"

#include <algorithm>
#include <cctype>

#include "npu/device/device.h"
#include "npu/image/sha256.h"

namespace onebit::npu {
namespace {

bool is_identifier(const std::string& name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 128 && (std::isalnum(c) != 0 || c == '_'); });
}

class Generator {
 public:
  explicit Generator(const CoreProgram& program) : program_(program), signatures_(program.kernels.size()) {}

  Result<std::string> generate() {
    ONEBIT_TRY(steps(program_.steps, 1));
    std::string out = "// Generated from a core program.\n#include \"npu/kernels/start/core.h\"\n\n";
    ONEBIT_TRY(declarations(out));
    out += "namespace {\n";
    for (size_t i = 0; i < program_.rings.size(); ++i) out += ring_function(i);
    out += "}  // namespace\n\nextern \"C\" void core_main() {\n";
    for (size_t i = 0; i < program_.rings.size(); ++i) out += fmt::format("  [[maybe_unused]] uint32_t cursor{} = 0;\n", i);
    return out + body_ + "}\n";
  }

 private:
  Status declarations(std::string& out) const {
    out += "extern \"C\" {\n";
    for (size_t i = 0; i < signatures_.size(); ++i) {
      const std::string& name = program_.kernels[i];
      if (!is_identifier(name)) return fail(Errc::format, "kernel name '{}', expected a C identifier", name);
      if (!signatures_[i].empty()) out += fmt::format("void {}({});\n", name, signatures_[i] == "-" ? "" : signatures_[i]);
    }
    out += "}\n\n";
    return {};
  }

  // Buffer i of a ring, i below twice their number. Equal distances become arithmetic, as a table would take data memory.
  std::string ring_function(size_t index) const {
    const auto& a = program_.rings[index].addresses;
    std::string out = fmt::format("[[maybe_unused]] void* ring{}(uint32_t i) {{\n", index);
    out += fmt::format("  if (i >= {}) i -= {};\n", a.size(), a.size());
    bool even = true;
    for (size_t i = 2; i < a.size(); ++i) even = even && a[i] - a[i - 1] == a[1] - a[0];
    std::string address = fmt::format("{:#x}", a.back());
    if (even && a.size() > 1) address = fmt::format("{:#x} + i * {:#x}u", a[0], a[1] - a[0]);
    if (!even)
      for (size_t i = a.size() - 1; i-- > 0;) address = fmt::format("i == {} ? {:#x} : {}", i, a[i], address);
    return out + fmt::format("  return onebit::core::at({});\n}}\n", address);
  }

  void line(unsigned depth, const std::string& text) { body_ += std::string(2 * depth, ' ') + text + "\n"; }
  static std::string value(const CoreValue& v) {
    return v.parameter ? fmt::format("onebit::core::parameter({:#x})", v.address) : fmt::format("{}", v.number);
  }

  Status steps(const std::vector<CoreStep>& list, unsigned depth) {
    for (const CoreStep& s : list) ONEBIT_TRY(std::visit([&](const auto& body) { return step(body, depth); }, s.body));
    return {};
  }
  Status step(const StepAcquire& s, unsigned depth) {
    line(depth, fmt::format("acquire_{}({}, {});", s.equal ? "equal" : "greater_equal", s.lock, s.value));
    return {};
  }
  Status step(const StepRelease& s, unsigned depth) {
    line(depth, fmt::format("release({}, {});", s.lock, s.value));
    return {};
  }
  Status step(const StepAdvance& s, unsigned depth) {
    const size_t n = program_.rings[s.ring].addresses.size();
    if (s.by % n == 0) return {};
    line(depth, fmt::format("cursor{0} += {1};", s.ring, s.by % n));
    line(depth, fmt::format("if (cursor{0} >= {1}) cursor{0} -= {1};", s.ring, n));
    return {};
  }
  Status step(const StepCall& s, unsigned depth) {
    std::string kinds, values;
    for (const CoreArgument& a : s.arguments) {
      const bool number = std::holds_alternative<CoreValue>(a);
      kinds += fmt::format("{}{}", kinds.empty() ? "" : ", ", number ? "int32_t" : "void*");
      values += values.empty() ? "" : ", ";
      if (const auto* v = std::get_if<CoreValue>(&a)) values += value(*v);
      if (const auto* b = std::get_if<ArgBuffer>(&a)) values += fmt::format("onebit::core::at({:#x})", b->address);
      if (const auto* r = std::get_if<ArgRing>(&a)) values += fmt::format("ring{0}(cursor{0} + {1})", r->ring, r->ahead % program_.rings[r->ring].addresses.size());
    }
    if (kinds.empty()) kinds = "-";
    std::string& known = signatures_[s.kernel];
    if (!known.empty() && known != kinds)
      return fail(Errc::format, "kernel {} is called with ({}) and with ({})", program_.kernels[s.kernel], known, kinds);
    known = kinds;
    line(depth, fmt::format("{}({});", program_.kernels[s.kernel], values));
    return {};
  }
  Status step(const StepLoop& s, unsigned depth) {
    if (!s.count.parameter && s.count.number < 0) {
      line(depth, "for (;;) {");
    } else {
      line(depth, fmt::format("for (int32_t i{0} = 0, n{0} = {1}; n{0} < 0 || i{0} < n{0}; i{0} += n{0} >= 0) {{", depth, value(s.count)));
    }
    ONEBIT_TRY(steps(s.body, depth + 1));
    line(depth, "}");
    return {};
  }

  const CoreProgram& program_;
  std::vector<std::string> signatures_;  // of each kernel: "" not called, "-" no arguments
  std::string body_;
};

}  // namespace

Result<std::string> core_main_source(const CoreProgram& program) { return Generator(program).generate(); }

std::string core_linker_script(const CoreLayout& layout) {
  return fmt::format(R"(ENTRY(__start)
MEMORY {{
  program (RX) : ORIGIN = 0, LENGTH = {:#x}
  data (!RX) : ORIGIN = {:#x}, LENGTH = {:#x}
}}
SECTIONS {{
  .text 0 : {{ KEEP(*(.text.start)) *(.text*) }} > program
  .data {:#x} : {{ *(.rodata*) *(.data*) *(.bss*) *(COMMON) . = ALIGN(64); core_stack = .; }} > data
  /DISCARD/ : {{ *(.comment*) *(.note*) *(.eh_frame*) *(.stack_sizes*) }}
}}
ASSERT(core_stack + {} <= {:#x}, "less than {} bytes are left for the stack of the core")
)",
                     layout.program_bytes, kCoreOwnWindow, layout.data_bytes, kCoreOwnWindow, kMinStackBytes, kCoreOwnWindow + layout.data_bytes, kMinStackBytes);
}

Result<std::string> core_program_id(CoreProgram program) {
  program.machine_code = false;
  ONEBIT_ASSIGN(const std::vector<uint8_t> record, write_core_record(program));
  const auto digest = sha256(record);
  std::string id;
  for (size_t i = 0; i < 8; ++i) id += fmt::format("{:02x}", digest[i]);
  return id;
}

}  // namespace onebit::npu
