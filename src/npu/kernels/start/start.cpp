// After core_main the core reports that it is done and stops; it does not return.
#include "npu/kernels/start/core.h"

extern "C" void core_main();

extern "C" void core_start() {
  core_main();
  done();
}
