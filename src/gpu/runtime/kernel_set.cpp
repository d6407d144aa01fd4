#include "gpu/runtime/kernel_set.h"

#include <charconv>

#include "gpu/runtime/code_objects.h"

namespace onebit::gpu {
namespace {

constexpr const char* kNames[] = {
#define ONEBIT_GPU_KERNEL_NAME(name) #name,
    ONEBIT_GPU_KERNELS(ONEBIT_GPU_KERNEL_NAME)
#undef ONEBIT_GPU_KERNEL_NAME
};

// N of "sm_N", else -1.
int cuda_generation(std::string_view architecture) {
  if (!architecture.starts_with("sm_")) return -1;
  int n = -1;
  const char* end = architecture.data() + architecture.size();
  const auto [rest, bad] = std::from_chars(architecture.data() + 3, end, n);
  return bad == std::errc{} && rest == end ? n : -1;
}

std::vector<std::string> names_of_code_objects() {
  std::vector<std::string> all;
  for (const CodeObject& c : code_objects()) all.emplace_back(c.architecture);
  return all;
}

}  // namespace

const char* name(Kernel kernel) { return kNames[static_cast<size_t>(kernel)]; }

std::string embedded_architectures() { return fmt::format("{}", fmt::join(names_of_code_objects(), ", ")); }

int pick_code_object(const std::string& architecture, const std::vector<std::string>& architectures) {
  int generic = -1, best_generation = -1, newest = -1;
  const int wanted = cuda_generation(architecture);
  for (size_t i = 0; i < architectures.size(); ++i) {
    const std::string& a = architectures[i];
    if (a == architecture) return static_cast<int>(i);
    // "gfx11-generic" runs on gfx1100 and its like: the name before the dash, then two digits.
    const size_t dash = a.find("-generic");
    if (dash != std::string::npos && architecture.starts_with(a.substr(0, dash)) && architecture.size() == dash + 2) generic = static_cast<int>(i);
    const int generation = cuda_generation(a);
    if (wanted >= 0 && generation >= 0 && generation <= wanted && generation > best_generation) {
      best_generation = generation;
      newest = static_cast<int>(i);
    }
  }
  return generic >= 0 ? generic : newest;
}

Result<KernelSet> KernelSet::load(Device& device) {
  KernelSet set;
  set.device_ = &device;
  const void* image = nullptr;
  if (device.backend() == Backend::emulator) {
    set.code_object_ = "the kernels' host build";
    image = "";
  } else {
    const auto all = code_objects();
    if (all.empty()) return fail(Errc::device, "built without GPU code objects: no compiler for GPU kernels was at hand");
    const int i = pick_code_object(device.info().architecture, names_of_code_objects());
    if (i < 0)
      return fail(Errc::device, "no code object for {} ({}): this program has those for {}", device.info().architecture, device.info().name,
                  embedded_architectures());
    set.code_object_ = all[static_cast<size_t>(i)].architecture;
    image = all[static_cast<size_t>(i)].bytes;
  }
  ONEBIT_ASSIGN(set.module_, device.load(image, set.code_object_));
  for (const char* kernel : kNames) {
    ONEBIT_ASSIGN(const Function f, device.function(set.module_, kernel));
    set.functions_.push_back(f);
  }
  return set;
}

}  // namespace onebit::gpu
