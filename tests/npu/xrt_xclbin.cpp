// Reads xclbins with libxrt itself and prints what a dispatch needs: kernels, arguments with size, offset and memory, and
// the compute unit. Compiled against the headers of XRT 2.25 by check_xclbin.sh; no part of the build.
#include <cstdio>
#include <exception>
#include <string>

#include "xrt/experimental/xrt_xclbin.h"

int main(int argc, char** argv) {
  try {
    for (int i = 1; i < argc; ++i) {
      const xrt::xclbin xclbin{std::string(argv[i])};
      for (const auto& kernel : xclbin.get_kernels()) {
        std::printf("kernel %s type %d\n", kernel.get_name().c_str(), static_cast<int>(kernel.get_type()));
        for (const auto& cu : kernel.get_cus()) std::printf("cu %s\n", cu.get_name().c_str());
        for (const auto& arg : kernel.get_args()) {
          std::string memories;
          for (const auto& mem : arg.get_mems()) memories += " " + mem.get_tag();
          std::printf("arg %zu %s size %llu offset 0x%llx%s\n", static_cast<size_t>(arg.get_index()), arg.get_name().c_str(),
                      static_cast<unsigned long long>(arg.get_size()), static_cast<unsigned long long>(arg.get_offset()), memories.c_str());
        }
      }
      for (const auto& mem : xclbin.get_mems()) std::printf("memory %s used %d\n", mem.get_tag().c_str(), mem.get_used());
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
