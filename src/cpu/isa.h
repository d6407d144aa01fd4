// Which instruction set the kernels use: the best this CPU has, or what the user names.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace onebit::cpu {

enum class Isa { scalar, avx2, avxvnni, avx512vnni, neon };

std::string_view isa_name(Isa isa);  // "scalar", "avx2", "avx-vnni", "avx512-vnni", "neon"
// Kernels that were compiled in and run on this CPU, scalar first, best last.
std::span<const Isa> available_isas();
inline Isa best_isa() { return available_isas().back(); }
// "auto" or a name; an unknown or unavailable one is an error that lists what there is.
Result<Isa> parse_isa(std::string_view name);

}  // namespace onebit::cpu
