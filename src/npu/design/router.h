// Circuit routing through the stream switches.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "npu/design/lower.h"
#include "npu/device/stream_switch.h"

namespace onebit::npu::design {

// A stream from a slave port (a DMA's MM2S) to master ports (S2MM). Its connections form one tree.
struct Net {
  std::string name;
  PortAt source;
  std::vector<PortAt> sinks;
};

// The connections of each net; every master port serves one net. Shortest paths, negotiated: while nets
// share a port, the port grows dearer and all are routed again. Errors name the net that finds no way.
Result<std::vector<std::vector<Hop>>> route(const Device& device, const std::vector<Net>& nets);

}  // namespace onebit::npu::design
