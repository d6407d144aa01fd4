#include "npu/kernels/registry.h"

#include "npu/kernels/host/bind_kernel.h"
#include "npu/kernels/kernels.h"

namespace onebit::npu {
namespace {

using Args = std::span<const KernelArg>;

uint64_t number(Args args, size_t index) { return static_cast<uint64_t>(args[index].scalar); }

// out, count
Status check_fill(Args args) {
  ONEBIT_TRY(check_count(args, 1, 0, 1));
  return check_buffer(args, 0, number(args, 1), 4);
}
// in, out, count, ...
Status check_elementwise(Args args) {
  ONEBIT_TRY(check_count(args, 2, 0, 1));
  ONEBIT_TRY(check_buffer(args, 0, number(args, 2), 4));
  return check_buffer(args, 1, number(args, 2), 4);
}
// a, b, c, m, k, n
Status check_gemm(Args args) {
  ONEBIT_TRY(check_count(args, 3, 16, 16));
  ONEBIT_TRY(check_count(args, 4, 8, 8));
  ONEBIT_TRY(check_count(args, 5, 16, 16));
  const uint64_t m = number(args, 3), k = number(args, 4), n = number(args, 5);
  ONEBIT_TRY(check_buffer(args, 0, m * k, 1));
  ONEBIT_TRY(check_buffer(args, 1, k * n, 1));
  return check_buffer(args, 2, m * n, 4);
}

// a, b, c, m, k, n, column, accumulate
Status check_ternary_gemm(Args args) {
  ONEBIT_TRY(check_count(args, 3, 16, 16));
  ONEBIT_TRY(check_count(args, 4, 16, 16));
  ONEBIT_TRY(check_count(args, 5, 16, 16));
  ONEBIT_TRY(check_count(args, 6, 0, 16));
  const uint64_t m = number(args, 3), k = number(args, 4), n = number(args, 5), column = number(args, 6);
  ONEBIT_TRY(check_buffer(args, 0, m * k, 1));
  ONEBIT_TRY(check_buffer(args, 1, k * (column + n) / 4, 1));
  return check_buffer(args, 2, m * n, 4);
}

// x, b, y, k, n, accumulate
Status check_ternary_gemv(Args args) {
  ONEBIT_TRY(check_count(args, 3, 16, 16));
  ONEBIT_TRY(check_count(args, 4, 32, 32));
  const uint64_t k = number(args, 3), n = number(args, 4);
  ONEBIT_TRY(check_buffer(args, 0, k * 2, 1));
  ONEBIT_TRY(check_buffer(args, 1, k * n / 4, 1));
  return check_buffer(args, 2, n, 4);
}
// a, b, c, m, k, n, accumulate
Status check_gemm_bf16(Args args) {
  ONEBIT_TRY(check_count(args, 3, 16, 16));
  ONEBIT_TRY(check_count(args, 4, 8, 8));
  ONEBIT_TRY(check_count(args, 5, 16, 16));
  const uint64_t m = number(args, 3), k = number(args, 4), n = number(args, 5);
  ONEBIT_TRY(check_buffer(args, 0, m * k, 2));
  ONEBIT_TRY(check_buffer(args, 1, k * n, 2));
  return check_buffer(args, 2, m * n, 4);
}

// sums, rows, out, m, n
Status check_scale_bf16(Args args) {
  ONEBIT_TRY(check_count(args, 3, 8, 8));
  ONEBIT_TRY(check_count(args, 4, 16, 16));
  const uint64_t m = number(args, 3), n = number(args, 4);
  ONEBIT_TRY(check_buffer(args, 0, m * n, 4));
  ONEBIT_TRY(check_buffer(args, 1, m * 16, 4));
  return check_buffer(args, 2, m * n, 2);
}

constexpr HostKernel kKernels[] = {
    bind_kernel<zero_i32, check_fill, [](Args a) { return zero_i32_cycles(number(a, 1)); }>("zero_i32"),
    bind_kernel<copy_i32, check_elementwise, [](Args a) { return copy_i32_cycles(number(a, 2)); }>("copy_i32"),
    bind_kernel<add_one_i32, check_elementwise, [](Args a) { return add_one_i32_cycles(number(a, 2)); }>("add_one_i32"),
    bind_kernel<scale_i32, check_elementwise, [](Args a) { return scale_i32_cycles(number(a, 2)); }>("scale_i32"),
    bind_kernel<gemm_i8_i32, check_gemm, [](Args a) { return gemm_i8_i32_cycles(number(a, 3), number(a, 4), number(a, 5)); }>("gemm_i8_i32"),
    bind_kernel<gemm_i8_t2_i32, check_ternary_gemm, [](Args a) { return gemm_i8_t2_i32_cycles(number(a, 3), number(a, 4), number(a, 5)); }>(
        "gemm_i8_t2_i32"),
    bind_kernel<gemv_t2_i32, check_ternary_gemv, [](Args a) { return gemv_t2_i32_cycles(number(a, 3), number(a, 4)); }>("gemv_t2_i32"),
    bind_kernel<gemm_bf16, check_gemm_bf16, [](Args a) { return gemm_bf16_cycles(number(a, 3), number(a, 4), number(a, 5)); }>("gemm_bf16"),
    bind_kernel<scale_bf16, check_scale_bf16, [](Args a) { return scale_bf16_cycles(number(a, 3), number(a, 4)); }>("scale_bf16"),
};

}  // namespace

std::span<const HostKernel> builtin_kernels() { return kKernels; }

const HostKernel* find_kernel(std::span<const HostKernel> kernels, std::string_view name) {
  for (const HostKernel& k : kernels)
    if (k.name == name) return &k;
  return nullptr;
}

}  // namespace onebit::npu
