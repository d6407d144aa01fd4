#include "cpu/isa.h"

#include <array>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace onebit::cpu {
namespace {

struct IsaList {
  std::array<Isa, 5> isas{};
  size_t count = 0;
  void push(Isa isa) { isas[count++] = isa; }
};

#if defined(__x86_64__)
// AVX-VNNI (the VEX forms) is CPUID leaf 7, subleaf 1, EAX bit 4; __builtin_cpu_supports of GCC 12
// does not know it by name.
bool has_avxvnni() {
  uint32_t a = 7, b, c = 1, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return (a >> 4) & 1;
}
#endif

IsaList detect() {
  IsaList list;
  list.push(Isa::scalar);
#if defined(__x86_64__)
  __builtin_cpu_init();
  // These builtins also ask whether the operating system saves the wide registers.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    list.push(Isa::avx2);
    if (has_avxvnni()) list.push(Isa::avxvnni);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi"))
      list.push(Isa::avx512vnni);
  }
#elif defined(__aarch64__)
  constexpr unsigned long kAsimdHp = 1ul << 10, kAsimdDp = 1ul << 20;  // HWCAP_ASIMDHP, HWCAP_ASIMDDP
  if ((getauxval(AT_HWCAP) & (kAsimdHp | kAsimdDp)) == (kAsimdHp | kAsimdDp)) list.push(Isa::neon);
#endif
  return list;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::avxvnni: return "avx-vnni";
    case Isa::avx512vnni: return "avx512-vnni";
    case Isa::neon: return "neon";
  }
  return "unknown";
}

std::span<const Isa> available_isas() {
  static const IsaList list = detect();
  return {list.isas.data(), list.count};
}

Result<Isa> parse_isa(std::string_view name) {
  if (name == "auto") return best_isa();
  std::string known = "auto";
  for (const Isa isa : available_isas()) {
    if (name == isa_name(isa)) return isa;
    known += fmt::format(", {}", isa_name(isa));
  }
  return fail(Errc::usage, "instruction set \"{}\": expected one that this CPU has: {}", name, known);
}

}  // namespace onebit::cpu
