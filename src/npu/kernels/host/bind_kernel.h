// Makes a HostKernel of a kernel function: number and kinds of arguments follow from its parameters.
#pragma once

#include <aie_api/types.hpp>

#include <array>
#include <tuple>
#include <type_traits>
#include <utility>

#include "npu/kernels/host/host_kernel.h"

namespace onebit::npu {

inline constexpr unsigned kKernelAlignment = 64;  // of a buffer in bytes: the widest load

// Bytes of `count` elements against those of buffer `index`. The count comes from the image.
inline Status check_buffer(std::span<const KernelArg> args, size_t index, uint64_t count, size_t element_bytes) {
  if (count * element_bytes > args[index].bytes)
    return fail(Errc::out_of_range, "argument {} has {} bytes, expected at least {} elements of {}", index, args[index].bytes, count, element_bytes);
  return {};
}
// A count: at least `least` and a multiple of `multiple`. Data memory has 64 KiB, so that no product of two overflows.
inline Status check_count(std::span<const KernelArg> args, size_t index, int32_t least, int32_t multiple) {
  const int32_t v = args[index].scalar;
  if (v < least || v > 65536 || v % multiple)
    return fail(Errc::out_of_range, "argument {} is {}, expected {} to 65536 and a multiple of {}", index, v, least, multiple);
  return {};
}

namespace detail {

template <class T>
T argument_as(const KernelArg& a) {
  if constexpr (std::is_pointer_v<T>) return reinterpret_cast<T>(a.data);
  else return static_cast<T>(a.scalar);
}

template <class... P, size_t... I>
void call(void (*function)(P...), std::span<const KernelArg> args, std::index_sequence<I...>) {
  function(argument_as<P>(args[I])...);
}

// Buffers where the function takes pointers, scalars elsewhere.
template <class... P>
Status check_kinds(void (*)(P...), std::span<const KernelArg> args) {
  constexpr std::array<bool, sizeof...(P)> pointer{std::is_pointer_v<P>...};
  if (args.size() != pointer.size()) return fail(Errc::out_of_range, "{} arguments, expected {}", args.size(), pointer.size());
  for (size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] != (args[i].data != nullptr))
      return fail(Errc::out_of_range, "argument {} is a {}, expected a {}", i, pointer[i] ? "number" : "buffer", pointer[i] ? "buffer" : "number");
    if (pointer[i] && reinterpret_cast<uintptr_t>(args[i].data) % kKernelAlignment)
      return fail(Errc::out_of_range, "argument {} starts {} bytes after a multiple of {}, expected at one", i,
                  reinterpret_cast<uintptr_t>(args[i].data) % kKernelAlignment, kKernelAlignment);
  }
  return {};
}

template <class... P>
void invoke(void (*function)(P...), std::span<const KernelArg> args) {
  aie::detail::modes = {};  // those of a core after its reset
  call(function, args, std::index_sequence_for<P...>());
}

}  // namespace detail

// `sizes` checks counts and buffer sizes once the kinds hold; `cost` gives the cycles of a call that passed.
template <auto function, Status (*sizes)(std::span<const KernelArg>), uint64_t (*cost)(std::span<const KernelArg>)>
constexpr HostKernel bind_kernel(std::string_view name) {
  return {name,
          [](std::span<const KernelArg> args) -> Status {
            ONEBIT_TRY(detail::check_kinds(function, args));
            return sizes(args);
          },
          [](std::span<const KernelArg> args) { detail::invoke(function, args); }, cost};
}

}  // namespace onebit::npu
