#include "npu/runtime/xrt_module.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace onebit::npu {
namespace {

constexpr const char* kModule = "libonebit_xrt.so";

// The folders of the program and of this code, which are two where it is in a shared library.
std::vector<std::filesystem::path> folders() {
  std::vector<std::filesystem::path> list;
  std::error_code none;
  if (const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", none); !none) list.push_back(program.parent_path());
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&load_xrt_module), &info) != 0 && info.dli_fname) {
    const std::filesystem::path library = std::filesystem::canonical(info.dli_fname, none).parent_path();
    if (!none && std::find(list.begin(), list.end(), library) == list.end()) list.push_back(library);
  }
  return list;
}

std::vector<std::string> places() {
  std::vector<std::string> list;
  std::error_code none;
  for (const std::filesystem::path& base : folders())
    for (const std::filesystem::path& folder : {base, base.parent_path() / "lib"})
      if (std::filesystem::exists(folder / kModule, none)) list.push_back((folder / kModule).string());
  list.emplace_back(kModule);  // the loader's own search
  return list;
}

}  // namespace

Result<XrtBackendFactory> load_xrt_module(const std::string& path) {
  std::string why;
  for (const std::string& place : path.empty() ? places() : std::vector{path}) {
    void* const module = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!module) {
      if (why.empty()) why = dlerror();
      continue;
    }
    void* const entry = dlsym(module, kXrtBackendFactory);
    if (!entry) return fail(Errc::device, "{}: no entry {}, expected the module of this build", place, kXrtBackendFactory);
    return reinterpret_cast<XrtBackendFactory>(entry);
  }
#ifdef ONEBIT_HAVE_XRT
  return fail(Errc::device, "cannot load the XRT module: {} (install XRT 2.20 or later with its NPU plug-in; Debian: libxrt2 libxrt-npu2)", why);
#else
  if (!path.empty()) return fail(Errc::device, "cannot load the XRT module: {}", why);
  return fail(Errc::unsupported,
              "this build has no NPU support, because CMake found no XRT 2.20 or later; install its headers (Debian: libxrt-dev) or give "
              "-DONEBIT_XRT_ROOT=DIR, and build again");
#endif
}

}  // namespace onebit::npu
