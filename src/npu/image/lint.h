// The hardware rules that can be decided from files. Each rule is one function; its identifier, what it
// demands and where it comes from are in the catalogue.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "npu/device/device.h"
#include "npu/image/npu_file.h"

namespace onebit::npu {

struct Rule {
  const char* id;
  const char* demand;
  const char* source;
};
std::span<const Rule> lint_rules();

struct Finding {
  const char* rule;   // an id of the catalogue
  std::string where;  // "(0,1) MM2S 2", "op at 0x40"
  std::string message;
  bool operator==(const Finding&) const = default;
};

// Files of one program, the configuration first: an xclbin, PDI or CDO, then instruction streams. A
// stream alone is checked for what it shows by itself; after a configuration also against that.
std::vector<Finding> lint(std::span<const NpuFile> files, const Device& device);

}  // namespace onebit::npu
