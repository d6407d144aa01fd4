// Where the phases of the work run: the prompt's linear layers on the CPU or on an NPU (real or simulated), generation's
// on either, or whole forward passes on a GPU (real or emulated). Rows of a matrix may be shared between NPU and CPU,
// which then work at the same time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cpu/linear.h"
#include "engine/npu_share.h"
#include "model/model.h"
#include "npu/compiled/core_code.h"

namespace onebit {

namespace gpu {
class GpuModel;
}

enum class Phase : uint8_t { prefill, decode };
enum class Where : uint8_t { automatic, cpu, npu, npu_sim, gpu, gpu_sim };
const char* name(Where where);  // "auto", "cpu", "npu", "npu-sim", "gpu", "gpu-sim"
Result<Where> parse_where(const std::string& name);

inline constexpr int kShareAutomatic = -1;

// Where an NPU is found, and what measures it; others than these are for tests.
struct NpuParts {
  std::string xrt_module{};  // empty: where NpuOptions looks
  std::span<const npu::CoreCode> code = npu::embedded_core_code();
  ShareClock clock = steady_seconds;
};

struct PlacementOptions {
  // Automatic: prompts go to an NPU where one can be opened, else to a GPU, else they stay on the CPU; generation goes to
  // a GPU where one can be opened, else it stays on the CPU.
  std::array<Where, 2> on{Where::automatic, Where::automatic};  // by Phase
  // Percent of the rows of each matrix that the NPU takes. Automatic: all on the simulator; on an NPU as many as let it
  // and the CPU end together, by a measurement on the first layer.
  int npu_share = kShareAutomatic;
  NpuParts npu{};
  // Bits of a weight on the GPU, in tenths: 20, 16, or 0 for what suits the device.
  int gpu_packing = 0;
};
// Both phases on `device`, where it takes both: generation beside an NPU is placed automatically, and beside the
// simulator it stays on the CPU.
std::array<Where, 2> both_phases(Where device);

// How often the matrices of one kind ("attn_q") were multiplied, by phase.
struct PlacementLine {
  std::string kind;
  std::array<cpu::LinearRuns, 2> runs{};
};

struct GpuReport {
  std::string device;   // "AMD Radeon 8060S (gfx1151, 1.6-bit weights)"; empty without one
  std::string why_not;  // why an automatic choice did not take one, or left it
  uint64_t fallbacks = 0;  // times that work meant for a GPU went to the CPU
  std::string first_failure;
  uint64_t passes = 0, tokens = 0;
  uint64_t launches = 0, graph_launches = 0;
  uint64_t weight_bytes = 0, uploaded_bytes = 0, downloaded_bytes = 0;
  uint64_t handed_positions = 0, handed_bytes = 0;  // keys and values made elsewhere
};

struct PlacementReport {
  std::array<Where, 2> on{Where::cpu, Where::cpu};
  std::string device;          // "array simulator (npu2)"; empty without one
  std::string why_cpu;         // why an automatic choice did not take the NPU
  int npu_share = 0;           // percent
  std::vector<PlacementLine> lines;
  uint64_t dispatches = 0;     // commands the NPU completed
  uint64_t failures = 0;       // calls whose rows the CPU did in its place
  std::string first_failure;
  uint64_t uploaded_bytes = 0, downloaded_bytes = 0;
  uint64_t simulated_ddr_bytes = 0;  // moved by the simulated array; 0 on an NPU
  GpuReport gpu;
};

// Owns the NPU and the GPU and stands between them and the model.
class Placement {
 public:
  // Packs and uploads the matrices of `model` where a phase runs on an NPU or a GPU. Where both phases are on a GPU asked
  // for by name, the CPU's packed matrices are given back: nothing else reads them. `model` and `compute` outlive the
  // placement. Errors: a device asked for by name that cannot be used, two kinds of NPU or GPU at once, a share outside 0
  // to 100.
  static Result<std::unique_ptr<Placement>> create(const PlacementOptions& options, Model& model, cpu::Compute& compute,
                                                   const LoadProgress& progress);
  ~Placement();
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  // Before a forward pass of that phase.
  void enter(Phase phase);
  // After a forward pass of a sequence that has been on the GPU failed with `error`: true when that GPU was chosen
  // automatically and can be to blame. It is left alone from then on, and the caller may try again on the CPU; keys and
  // values that only the GPU had are lost.
  bool leave_gpu(const Error& error);
  PlacementReport report() const;

 private:
  class Npu;
  Placement(Model& model, cpu::Compute& compute);
  Status attach(Where where, const PlacementOptions& options, const LoadProgress& progress);
  Status attach_gpu(Where where, const PlacementOptions& options, const LoadProgress& progress);
  Status place_gpu(const PlacementOptions& options, const LoadProgress& progress);
  GpuReport gpu_report() const;

  Model& model_;
  cpu::Compute& compute_;
  std::unique_ptr<Npu> npu_;
  std::unique_ptr<gpu::GpuModel> gpu_;
  bool gpu_automatic_ = false;  // nobody named it: it may be left
  std::array<Where, 2> on_{Where::cpu, Where::cpu};
  std::string why_cpu_;
  GpuReport gpu_report_;        // what is not counted elsewhere
  int share_ = 0;
  std::vector<std::string> kinds_;  // by Linear::index
  std::array<std::vector<cpu::LinearRuns>, 2> runs_;
};

// Errc::device where work did not run where the options sent it: a failed call, a matrix of a phase on the NPU that
// the CPU multiplied alone, a GPU that was left.
Status check_strict(const PlacementReport& report);
// For people, several lines.
std::string to_text(const PlacementReport& report);
std::string to_text(const GpuReport& report);

}  // namespace onebit
