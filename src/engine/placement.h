// Where the linear layers of each phase run: the prompt's on the CPU or on an NPU (real or simulated), generation's on
// either; rows of a matrix may be shared between NPU and CPU, which then work at the same time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cpu/linear.h"
#include "engine/npu_share.h"
#include "model/weights.h"
#include "npu/compiled/core_code.h"

namespace onebit {

enum class Phase : uint8_t { prefill, decode };
enum class Where : uint8_t { automatic, cpu, npu, npu_sim };
const char* name(Where where);  // "auto", "cpu", "npu", "npu-sim"
Result<Where> parse_where(const std::string& name);

inline constexpr int kShareAutomatic = -1;

// Where an NPU is found, and what measures it; others than these are for tests.
struct NpuParts {
  std::string xrt_module{};  // empty: where NpuOptions looks
  std::span<const npu::CoreCode> code = npu::embedded_core_code();
  ShareClock clock = steady_seconds;
};

struct PlacementOptions {
  // Automatic: prompts go to an NPU where one can be opened, else they stay on the CPU; generation stays on the CPU.
  std::array<Where, 2> on{Where::automatic, Where::automatic};  // by Phase
  // Percent of the rows of each matrix that the NPU takes. Automatic: all on the simulator; on an NPU as many as let it
  // and the CPU end together, by a measurement on the first layer.
  int npu_share = kShareAutomatic;
  NpuParts npu{};
};

// How often the matrices of one kind ("attn_q") were multiplied, by phase.
struct PlacementLine {
  std::string kind;
  std::array<cpu::LinearRuns, 2> runs{};
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
};

// Owns the NPU and stands between it and the linear layers.
class Placement {
 public:
  // Packs and uploads the ternary matrices of `weights` where a phase runs on an NPU, and marks them in `weights`.
  // `weights` and `compute` outlive the placement. Errors: an NPU asked for by name that cannot be used, two kinds of
  // NPU at once, a share outside 0 to 100.
  static Result<std::unique_ptr<Placement>> create(const PlacementOptions& options, Weights& weights, cpu::Compute& compute,
                                                   const LoadProgress& progress);
  ~Placement();

  // Before a forward pass of that phase.
  void enter(Phase phase);
  PlacementReport report() const;

 private:
  class Npu;
  explicit Placement(cpu::Compute& compute);
  Status attach(Where where, const PlacementOptions& options, Weights& weights, const LoadProgress& progress);

  cpu::Compute& compute_;
  std::unique_ptr<Npu> npu_;
  std::array<Where, 2> on_{Where::cpu, Where::cpu};
  std::string why_cpu_;
  int share_ = 0;
  std::vector<std::string> kinds_;  // by Linear::index
  std::array<std::vector<cpu::LinearRuns>, 2> runs_;
};

// Errc::device where work did not run where the options sent it: a failed call, a matrix of a phase on the NPU that
// the CPU multiplied alone.
Status check_strict(const PlacementReport& report);
// For people, several lines.
std::string to_text(const PlacementReport& report);

}  // namespace onebit
