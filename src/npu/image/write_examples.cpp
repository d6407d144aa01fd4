// Writes the files of the example program for checkers outside this repository: example.cdo, .pdi,
// .xclbin, .bin and compact.bin.
#include <cstdio>

#include "base/file.h"
#include "npu/image/example_program.h"
#include "npu/image/npu_file.h"

using namespace onebit;
using namespace onebit::npu;

namespace {

Status write_file(const std::string& path, const std::vector<uint8_t>& bytes) {
  ONEBIT_ASSIGN(OutputFile out, OutputFile::create(path));
  ONEBIT_TRY(out.write(bytes.data(), bytes.size()));
  return out.commit();
}

Status write_all(const std::string& directory) {
  const Cdo cdo = testing::example_cdo();
  const std::vector<uint8_t> pdi = write_pdi(make_pdi(cdo));
  ONEBIT_TRY(write_file(directory + "/example.cdo", write_cdo(cdo)));
  ONEBIT_TRY(write_file(directory + "/example.pdi", pdi));
  ONEBIT_TRY(write_file(directory + "/example.xclbin", write_xclbin(make_xclbin(pdi, {.name = "example"}))));
  for (const bool compact : {false, true}) {
    ONEBIT_ASSIGN(const std::vector<uint8_t> stream, write_transaction(testing::example_stream(compact)));
    ONEBIT_TRY(write_file(directory + (compact ? "/compact.bin" : "/example.bin"), stream));
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: npu_write_examples DIRECTORY\n");
    return 2;
  }
  const Status status = write_all(argv[1]);
  if (!status) fmt::print(stderr, "{}\n", status.error().message);
  return status ? 0 : 1;
}
