// Looks at the compiled kernels: every kernel is there, runs in waves of 32, spills nothing, keeps to stated registers
// and shared memory, and uses the instructions it was written for.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

namespace onebit::gpu {
namespace {

// Upper bounds. AMD: vgprs of a lane, of 1536 that the lanes of a SIMD share; 16 waves a SIMD at 96, 6 at 256. NVIDIA:
// 255 a thread, 65536 a multiprocessor. Shared memory in bytes, of 64 KiB a block on AMD and 48 KiB on NVIDIA.
struct Bounds {
  int vgprs, registers, shared_amd, shared_nvidia;
  const char* needs_amd;  // an instruction, or null
  const char* needs_nvidia;
};
const std::map<std::string, Bounds> kBounds = {
    {"norm_quant", {32, 64, 33200, 33200, nullptr, nullptr}},
    {"ternary_gemv_p2_t1", {96, 128, 16384, 16384, "v_dot4_i32_iu8", "dp4a.u32.s32"}},
    {"ternary_gemv_p2_t2", {96, 128, 16384, 16384 + 64 * 2, "v_dot4_i32_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemv_p2_t4", {96, 128, 16384, 16384 + 64 * 4, "v_dot4_i32_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemv_p2_t8", {96, 128, 16384, 16384 + 64 * 8, "v_dot4_i32_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemv_p2_t16", {96, 128, 32768, 32768 + 64 * 16, "v_dot4_i32_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemv_p16_t1", {120, 128, 16384, 16384, "v_dot4_i32_iu8", "dp4a.u32.s32"}},
    {"ternary_gemv_p16_t2", {120, 128, 20480, 20480 + 64 * 2, "v_dot4_i32_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemv_p16_t4", {120, 128, 20480, 20480 + 64 * 4, "v_dot4_i32_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemv_p16_t8", {120, 128, 20480, 20480 + 64 * 8, "v_dot4_i32_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemv_p16_t16", {120, 128, 40960, 40960 + 64 * 16, "v_dot4_i32_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemm_p2_r64", {224, 168, 32768, 49152, "v_wmma_i32_16x16x16_iu8", "mma.sync.aligned.m16n8k32"}},
    {"ternary_gemm_p2_r128", {256, 255, 32768, 49152, "v_wmma_i32_16x16x16_iu8", "mma.sync.aligned.m16n8k32"}},
    {"embed", {32, 64, 0, 0, nullptr, nullptr}},
    {"rope_kv", {96, 64, 0, 0, nullptr, nullptr}},
    {"linear_float", {32, 64, 0, 0, "v_fma", "fma.rn.f32"}},
    {"gate_float", {32, 64, 0, 0, nullptr, nullptr}},
    {"expand_p16", {32, 64, 0, 0, nullptr, nullptr}},
    {"attention_scores", {96, 128, 20800, 20800, "v_fma", "fma.rn.f32"}},
    {"attention_values", {256, 128, 33100, 33100, "v_fma", "fma.rn.f32"}},
    {"attention_combine", {32, 64, 0, 0, nullptr, nullptr}},
    {"attention_prefill_d64", {224, 128, 34000, 34000, "v_dual_fma|v_fma", "fma.rn.f32"}},
    {"attention_prefill_d128", {224, 128, 42200, 42200, "v_dual_fma|v_fma", "fma.rn.f32"}},
    {"attention_prefill_d256", {224, 128, 37500, 37500, "v_dual_fma|v_fma", "fma.rn.f32"}},
    {"head_compress", {32, 64, 0, 0, nullptr, nullptr}},
    {"head_prepare", {32, 64, 128, 128, nullptr, nullptr}},
    {"head_scan", {96, 128, 128, 128, "v_dot4_i32_iu8", "dp4a.s32.s32"}},
    {"head_threshold", {32, 64, 32, 32, nullptr, nullptr}},
    {"head_collect", {32, 64, 0, 0, nullptr, nullptr}},
    {"head_rescore", {32, 64, 0, 0, "v_fma", "fma.rn.f32"}},
    {"head_select", {32, 64, 24640, 24640, nullptr, nullptr}},
};

struct Object {
  std::string architecture, path;
};
std::vector<Object> objects(const std::string& prefix) {
  std::vector<Object> all;
  std::istringstream list(ONEBIT_CODE_OBJECTS);
  for (std::string item; std::getline(list, item, ' ');) {
    const size_t equals = item.find('=');
    if (item.starts_with(prefix)) all.push_back({item.substr(0, equals), item.substr(equals + 1)});
  }
  return all;
}

// Output of a command, both streams; its failure is the test's.
std::string run(const std::string& command) {
  std::string out;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen((command + " 2>&1").c_str(), "r"),
                                                   [](FILE* f) { return f ? pclose(f) : 0; });
  std::array<char, 65536> buffer;
  for (size_t n; pipe && (n = fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;) out.append(buffer.data(), n);
  EXPECT_FALSE(out.empty()) << command;
  return out;
}

// Is one of the words of "a|b" in the text?
bool has(const std::string& text, const std::string& words) {
  std::istringstream list(words);
  for (std::string word; std::getline(list, word, '|');)
    if (text.find(word) != std::string::npos) return true;
  return false;
}

// The note's values by kernel: `.vgpr_count:  86` and so on.
std::map<std::string, std::map<std::string, std::string>> kernel_notes(const std::string& path) {
  std::map<std::string, std::map<std::string, std::string>> all;
  std::istringstream notes(run(fmt::format("{} --notes {}", ONEBIT_READELF, path)));
  std::map<std::string, std::string> current;
  for (std::string line; std::getline(notes, line);) {
    const size_t key = line.find_first_not_of(" -"), colon = line.find(':');
    // A kernel's map begins at an item four columns in or less; its arguments lie deeper.
    const size_t dash = line.find("- ");
    const bool item = dash != std::string::npos && dash <= 2;
    const bool end = item || line.find("amdhsa.target") != std::string::npos;
    if (end && current.contains(".name")) all[current[".name"]] = current;
    if (end) current.clear();
    if (key == std::string::npos || colon == std::string::npos || key > 4) continue;
    const size_t value = line.find_first_not_of(' ', colon + 1);
    if (value != std::string::npos) current[line.substr(key, colon - key)] = line.substr(value);
  }
  return all;
}

// Instructions by kernel.
std::map<std::string, std::string> disassemble(const std::string& path) {
  std::map<std::string, std::string> all;
  std::istringstream text(run(fmt::format("{} -d {}", ONEBIT_OBJDUMP, path)));
  std::string name;
  for (std::string line; std::getline(text, line);) {
    const size_t open = line.find('<');
    if (open != std::string::npos && line.ends_with(">:")) {
      name = line.substr(open + 1, line.size() - open - 3);
    } else {
      all[name] += line + "\n";
    }
  }
  return all;
}

TEST(CodeObject, EveryAmdKernelKeepsToItsBounds) {
  const auto all = objects("gfx");
  ASSERT_FALSE(all.empty());
  for (const Object& object : all) {
    SCOPED_TRACE(object.architecture);
    auto notes = kernel_notes(object.path);
    auto code = disassemble(object.path);
    EXPECT_EQ(notes.size(), kBounds.size());
    for (const auto& [name, bounds] : kBounds) {
      SCOPED_TRACE(name);
      ASSERT_TRUE(notes.contains(name)) << "not in the code object";
      auto& n = notes[name];
      EXPECT_EQ(n[".wavefront_size"], "32");
      EXPECT_EQ(n[".vgpr_spill_count"], "0");
      EXPECT_EQ(n[".sgpr_spill_count"], "0");
      EXPECT_EQ(n[".private_segment_fixed_size"], "0");
      EXPECT_LE(std::stoi(n[".vgpr_count"]), bounds.vgprs);
      EXPECT_LE(std::stoi(n[".group_segment_fixed_size"]), bounds.shared_amd);
      if (bounds.needs_amd) {
        EXPECT_TRUE(has(code[name], bounds.needs_amd)) << "without " << bounds.needs_amd;
      }
      EXPECT_FALSE(has(code[name], "scratch_")) << "uses private memory";
      EXPECT_FALSE(has(code[name], "s_swappc_b64")) << "calls a function";
    }
    // Nothing rounds otherwise than on the CPU: divisions and roots end in a correction.
    for (const char* name : {"norm_quant", "ternary_gemv_p2_t1"}) {
      EXPECT_TRUE(has(code[name], "v_div_fixup_f32"));
    }
  }
}

// Weights come 16 bytes a lane at a time, and several loads are on their way before the first is waited for.
TEST(CodeObject, GemvLoadsAhead) {
  for (const Object& object : objects("gfx")) {
    SCOPED_TRACE(object.architecture);
    auto code = disassemble(object.path);
    for (const char* name : {"ternary_gemv_p2_t1", "ternary_gemv_p16_t1"}) {
      SCOPED_TRACE(name);
      std::istringstream text(code[name]);
      size_t before_first_dot = 0;
      for (std::string line; std::getline(text, line) && !has(line, "v_dot4");)
        before_first_dot += has(line, "global_load_b128");
      EXPECT_GE(before_first_dot, 8u);
    }
  }
}

std::string ptx_of(const std::string& text, const std::string& name) {
  const size_t begin = text.find(".entry " + name + "(");
  return begin == std::string::npos ? "" : text.substr(begin, text.find("\n}\n", begin) - begin);
}

TEST(CodeObject, EveryKernelInPtx) {
  const auto all = objects("sm_");
  ASSERT_FALSE(all.empty());
  for (const Object& object : all) {
    SCOPED_TRACE(object.architecture);
    std::ifstream file(object.path);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    for (const auto& [name, bounds] : kBounds) {
      SCOPED_TRACE(name);
      const std::string kernel = ptx_of(text, name);
      ASSERT_FALSE(kernel.empty()) << "not in the PTX";
      if (bounds.needs_nvidia) {
        EXPECT_TRUE(has(kernel, bounds.needs_nvidia)) << "without " << bounds.needs_nvidia;
      }
      EXPECT_FALSE(has(kernel, ".local")) << "uses private memory";
      EXPECT_FALSE(has(kernel, "call.uni")) << "calls a function";
      const bool waits = has(kernel, "griddepcontrol.wait");
      EXPECT_EQ(waits, object.architecture >= "sm_90");
    }
    EXPECT_TRUE(has(ptx_of(text, "ternary_gemm_p2_r128"), "cp.async.cg.shared.global"));
    // Nothing rounds otherwise than on the CPU.
    EXPECT_TRUE(has(text, "div.rn.f32"));
    EXPECT_TRUE(has(text, "sqrt.rn.f32"));
    EXPECT_FALSE(has(text, ".ftz|.approx|div.full"));
  }
}

// With programmatic dependent launch a GEMV has its first weights on their way before it waits for its input; nothing
// that a launch writes is read past the coherent caches.
TEST(CodeObject, GemvLoadsBeforeItWaits) {
  for (const Object& object : objects("sm_90")) {
    std::ifstream file(object.path);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    for (const auto& [name, bounds] : kBounds) {
      SCOPED_TRACE(name);
      const std::string kernel = ptx_of(text, name);
      const size_t wait = kernel.find("griddepcontrol.wait"), first = kernel.find("ld.global");
      if (name.starts_with("ternary_gemv")) {
        EXPECT_LT(first, wait);
        EXPECT_TRUE(kernel.substr(first, 12) == "ld.global.nc");
      } else {
        EXPECT_TRUE(first == std::string::npos || first > wait) << "reads before it waits";
        EXPECT_TRUE(name == "head_scan" || !has(kernel, "ld.global.nc"));
      }
    }
  }
}

// `ptxas -v`: "Compiling entry function 'NAME' ...", "N bytes stack frame, N bytes spill stores, N bytes spill loads",
// "Used N registers, ..., N bytes smem".
void check_ptxas(const std::string& out) {
  std::istringstream lines(out);
  std::string name;
  size_t seen = 0;
  for (std::string line; std::getline(lines, line);) {
    if (const size_t at = line.find("entry function '"); at != std::string::npos) {
      name = line.substr(at + 16, line.find('\'', at + 16) - at - 16);
    } else if (has(line, "spill stores")) {
      EXPECT_TRUE(has(line, " 0 bytes spill stores, 0 bytes spill loads")) << name << ": " << line;
    } else if (const size_t used = line.find("Used "); used != std::string::npos) {
      ASSERT_TRUE(kBounds.contains(name)) << name;
      EXPECT_LE(std::stoi(line.substr(used + 5)), kBounds.at(name).registers) << name;
      const size_t smem = line.find(" bytes smem");
      const size_t digits = smem == std::string::npos ? smem : line.rfind(' ', smem - 1);
      const int shared = smem == std::string::npos ? 0 : std::stoi(line.substr(digits));
      EXPECT_LE(shared, kBounds.at(name).shared_nvidia) << name;
      ++seen;
    }
  }
  EXPECT_EQ(seen, kBounds.size()) << out;
}

TEST(CodeObject, PtxAssemblesWithoutSpills) {
  if (std::string(ONEBIT_PTXAS).empty()) GTEST_SKIP() << "no ptxas: PTX was not assembled";
  for (const Object& object : objects("sm_")) {
    SCOPED_TRACE(object.architecture);
    check_ptxas(run(fmt::format("{} -v -arch={} {} -o /dev/null", ONEBIT_PTXAS, object.architecture, object.path)));
  }
}

TEST(CodeObject, NvccCompilesTheSameSource) {
  if (std::string(ONEBIT_NVCC).empty()) GTEST_SKIP() << "no nvcc: it did not compile the kernels";
  for (const char* architecture : {"sm_80", "sm_90"}) {
    SCOPED_TRACE(architecture);
    const auto out = std::filesystem::temp_directory_path() / fmt::format("onebit_{}_{}.cubin", architecture, getpid());
    check_ptxas(run(
        fmt::format("{} -x cu -arch={} -cubin -O3 -std=c++20 --fmad=false --expt-relaxed-constexpr -Xptxas -v -I{}/src "
                    "{}/src/gpu/kernels/kernels.hip -o {}",
                    ONEBIT_NVCC, architecture, ONEBIT_SOURCE_DIR, ONEBIT_SOURCE_DIR, out.string())));
    std::filesystem::remove(out);
  }
}

}  // namespace
}  // namespace onebit::gpu
