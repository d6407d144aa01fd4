#include "npu/design/lower.h"

#include <algorithm>

#include "npu/design/plan.h"
#include "npu/image/pdi.h"
#include "npu/image/xclbin.h"

namespace onebit::npu::design {

Result<Lowered> lower(const Program& program) {
  ONEBIT_TRY(check_program(program));
  Plan plan(program);
  ONEBIT_TRY(make_plan(plan));
  ONEBIT_TRY(place_memory(plan));
  ONEBIT_TRY(lower_bodies(plan));
  ONEBIT_ASSIGN(std::vector<PlacedChannel> channels, make_descriptors(plan));
  ONEBIT_TRY(route_streams(plan));
  ONEBIT_ASSIGN(Cdo cdo, emit_cdo(plan, channels));

  for (const ShimEnd& e : plan.shim_ends) channels.push_back({e.tile, e.direction, e.channel, {e.fifo}, {}});
  Lowered out{program};
  out.buffers = std::move(plan.placed);
  out.locks = std::move(plan.locks);
  out.channels = std::move(channels);
  out.routes = std::move(plan.routes);
  out.cores = std::move(plan.cores);
  out.shim_ends = std::move(plan.shim_ends);
  out.parameters = std::move(plan.parameters);
  out.stores = placed_stores(plan);
  out.signals = std::move(plan.signals);
  for (const auto& [tile, use] : plan.use) out.use.push_back(use);
  out.machine_code = std::all_of(out.cores.begin(), out.cores.end(), [](const PlacedCore& c) { return c.program.machine_code; });
  out.pdi = write_pdi(make_pdi(cdo));
  out.cdo = std::move(cdo);
  XclbinOptions options;
  options.name = program.name();
  options.columns = program.device().columns;
  out.xclbin = write_xclbin(make_xclbin(out.pdi, options));
  return out;
}

}  // namespace onebit::npu::design
