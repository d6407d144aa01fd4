// A lowered program for people: the placed and routed array as text and as SVG.
#pragma once

#include <string>

#include "npu/design/lower.h"

namespace onebit::npu::design {

// The grid, fifos with their routes, memory, bodies of the cores, budgets. ASCII, lines up to about 120 characters.
std::string draw_text(const Lowered& lowered);

std::string draw_svg(const Lowered& lowered);

}  // namespace onebit::npu::design
