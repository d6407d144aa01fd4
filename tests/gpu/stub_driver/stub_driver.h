// What tests see of the stub libamdhip64 and libcuda: the calls made, objects alive, errors to come, and the machine that
// they pretend to be. Each library has a machine of its own, which `stub_machine()` in it returns.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stub_driver {

struct Machine {
  int devices = 1;
  std::string name = "Stub GPU", architecture = "gfx1151:xnack-";  // sm_90 where the library is CUDA's
  int integrated = 1;
  size_t memory = size_t{1} << 30;

  std::vector<std::string> calls;        // by the library's own names, in order
  std::vector<std::string> violations;   // what a caller may not do, and did
  std::map<void*, std::string> live;     // objects and memory, by kind
  std::map<std::string, int> errors;     // call -> error it returns from here on
  std::string fail_at;                   // the `nth` call of that name returns `fail_with`, once
  int fail_with = 0, nth = 0;
  bool capturing = false;
  int captured = 0;                      // launches in the last graph
  std::vector<std::string> launches;     // "kernel grid 1x2x3 block 4x5x6 shared 7 parameters 8"

  void reset() { *this = Machine{}; }
};

}  // namespace stub_driver
