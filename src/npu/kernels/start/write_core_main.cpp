// Writes the generated main of the test's example to the file named.
#include <cstdio>

#include "npu/kernels/start/core_main.h"
#include "npu/kernels/start/core_main_example.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto source = onebit::npu::core_main_source(onebit::npu::core_main_example());
  if (!source) {
    std::fprintf(stderr, "%s\n", source.error().message.c_str());
    return 1;
  }
  std::FILE* file = std::fopen(argv[1], "w");
  if (!file) return 1;
  const bool written = std::fwrite(source->data(), 1, source->size(), file) == source->size();
  return std::fclose(file) == 0 && written ? 0 : 1;
}
