// A kernel of one's own in the array simulator; docs/npu-programming.md walks through this file.
#include <cstdio>
#include <cstdlib>

#include "npu/design/lower.h"
#include "npu/design/sequence.h"
#include "npu/image/transaction.h"
#include "npu/kernels/host/bind_kernel.h"
#include "npu/sim/simulator.h"

using namespace onebit;
using namespace onebit::npu;
using namespace onebit::npu::design;

extern "C" void relu_scale_i8(const int8_t* in, int8_t* out, int32_t count, int32_t factor, int32_t shift);

// What the simulator must know of a kernel beside its code: which arguments are safe, and what a call costs.
Status check_sizes(std::span<const KernelArg> args) {
  ONEBIT_TRY(check_count(args, 2, 0, 64));
  ONEBIT_TRY(check_buffer(args, 0, static_cast<uint64_t>(args[2].scalar), 1));
  ONEBIT_TRY(check_buffer(args, 1, static_cast<uint64_t>(args[2].scalar), 1));
  if (args[4].scalar < 0 || args[4].scalar > 15) return fail(Errc::out_of_range, "shift is {}, expected 0 to 15", args[4].scalar);
  return {};
}
uint64_t cycles(std::span<const KernelArg> args) { return 32 + static_cast<uint64_t>(args[2].scalar) / 64 * 4; }

constexpr HostKernel kKernels[] = {bind_kernel<relu_scale_i8, check_sizes, cycles>("relu_scale_i8")};

// One core between two streams. An element of a fifo is what a kernel call takes: 1024 bytes, two at each end.
struct Relu {
  Program p{"relu_scale"};
  TileId core = p.core(0, 2);
  Type block = type<int8_t>(1024);
  Fifo in = p.fifo("in", p.shim(0), {core}, block);
  Fifo out = p.fifo("out", core, {p.shim(0)}, block);
  Parameter factor = p.parameter(core, "factor", 1);

  Relu() {
    p.run(core, [&](Body& b) {
      b.forever([&] {
        b.acquire(in);
        b.acquire(out);
        b.call("relu_scale_i8", {in[0], out[0], 1024, factor, 4});
        b.release(in);
        b.release(out);
      });
    });
  }
};

int8_t reference(int8_t x, int factor) {
  const int product = (x > 0 ? x : 0) * factor, quotient = product >> 4, rest = product & 15;
  const int rounded = quotient + (rest > 8 || (rest == 8 && quotient % 2 != 0));
  return static_cast<int8_t>(rounded > 127 ? 127 : rounded < -128 ? -128 : rounded);
}

Status run(uint64_t count, int factor) {
  Relu relu;
  ONEBIT_ASSIGN(const Lowered lowered, lower(relu.p));  // the PDI and the xclbin: the same for all sizes

  Sequence sequence(lowered);  // the instruction stream of one size
  sequence.set(relu.factor, factor).move(relu.in, 0, linear(0, count)).move(relu.out, 1, linear(0, count));
  ONEBIT_ASSIGN(const Transaction transaction, sequence.finish());
  ONEBIT_ASSIGN(const std::vector<uint8_t> stream, write_transaction(transaction));

  SimOptions options;
  options.kernels = kKernels;
  options.timed = true;
  ONEBIT_ASSIGN(Simulator simulator, Simulator::open(relu.p.device(), lowered.xclbin, options));

  std::vector<uint8_t> in(count), out(count, 0xCD);
  for (uint64_t i = 0; i < count; ++i) in[i] = static_cast<uint8_t>(i * 37 + i / 256);
  const std::span<uint8_t> buffers[] = {in, out};
  ONEBIT_ASSIGN(const RunReport report, simulator.run(stream, buffers));

  for (uint64_t i = 0; i < count; ++i)
    if (const int8_t want = reference(static_cast<int8_t>(in[i]), factor); static_cast<int8_t>(out[i]) != want)
      return fail(Errc::format, "element {} is {}, expected {}", i, static_cast<int8_t>(out[i]), want);
  fmt::print("{} elements equal the reference; {} kernel calls, {:.1f} us (simulated)\n", count, report.kernel_calls, report.seconds * 1e6);
  return {};
}

int main(int argc, char** argv) {
  const uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 4096;
  const int factor = argc > 2 ? std::atoi(argv[2]) : 24;
  const Status status = run(count, factor);
  if (!status) fmt::print(stderr, "{}\n", status.error().message);
  return status ? 0 : 1;
}
