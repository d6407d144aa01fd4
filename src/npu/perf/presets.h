// GEMM programs that have been measured on hardware, as dataflows. Where their figures come from: each preset's comment.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "npu/perf/dataflow.h"

namespace onebit::npu::perf {

struct Preset {
  const char* name;
  const char* family;  // designs that share cores, kernels and launch
  const char* summary;
  bool free_tile;  // the core tile is a parameter
  Dataflow (*make)(const Tile& tile);
  Tile tile;       // the usual one
};

std::span<const Preset> presets();
const Preset* find_preset(std::string_view name);

// Errc::usage for a name that is not in the list or a tile where the design has a fixed one.
Result<Dataflow> preset(std::string_view name, std::optional<Tile> tile = {});

// The same program with other element types, in bits. Sums that leave unnarrowed leave from the accumulators, which the
// core needs back before it goes on.
Dataflow with_types(Dataflow flow, double a_bits, double b_bits, double c_bits);

}  // namespace onebit::npu::perf
