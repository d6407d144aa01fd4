#include "npu/sim/bd_walk.h"

#include <algorithm>

namespace onebit::npu {

Status BdWalk::start(TileKind kind, const BufferDescriptor& bd) {
  count_ = kind == TileKind::mem ? 4 : 3;
  base_ = (kind == TileKind::shim ? bd.base / 4 : bd.base) + uint64_t{bd.iteration_current} * bd.iteration_step;
  left_ = bd.length;
  for (unsigned d = 0; d < count_; ++d) {
    const uint32_t before = d < 3 ? bd.pad_before[d] : 0, after = d < 3 ? bd.pad_after[d] : 0;
    const uint32_t data = d + 1 < count_ ? bd.dims[d].wrap : 0;
    if ((before || after) && data == 0)
      return fail(Errc::unsupported, "pads dimension {} by {} and {} without a wrap, expected a wrap of 1 or more", d, before, after);
    dims_[d] = {bd.dims[d].step, data ? before + data + after : 0, before, data, 0};
  }
  return {};
}

BdWalk::Run BdWalk::peek(uint32_t most) const {
  Run run{base_, static_cast<uint32_t>(std::min<uint64_t>(most, left_)), 1, false};
  for (unsigned d = 1; d < count_; ++d) {
    const Dimension& dim = dims_[d];
    if (dim.wrap && (dim.at < dim.before || dim.at >= dim.before + dim.data)) run.padding = true;
    run.address += (dim.at - dim.before) * dim.step;
  }
  const Dimension& inner = dims_[0];
  run.step = static_cast<uint32_t>(inner.step);
  if (!inner.wrap) {
    run.address += inner.at * inner.step;
    return run;
  }
  uint64_t end = inner.wrap;
  if (!run.padding && inner.at < inner.before) {
    run.padding = true;
    end = inner.before;
  } else if (!run.padding && inner.at >= inner.before + inner.data) {
    run.padding = true;
  } else if (!run.padding) {
    end = inner.before + inner.data;
    run.address += (inner.at - inner.before) * inner.step;
  }
  run.words = static_cast<uint32_t>(std::min<uint64_t>(run.words, end - inner.at));
  return run;
}

void BdWalk::take(uint32_t words) {
  left_ -= words;
  dims_[0].at += words;
  for (unsigned d = 0; d + 1 < count_ && dims_[d].wrap && dims_[d].at == dims_[d].wrap; ++d) {
    dims_[d].at = 0;
    ++dims_[d + 1].at;
  }
}

}  // namespace onebit::npu
