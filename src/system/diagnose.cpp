#include "system/diagnose.h"

#include <algorithm>

namespace onebit::system {

const char* name(Backend backend) {
  switch (backend) {
    case Backend::cpu: return "cpu";
    case Backend::igpu: return "gpu";
    case Backend::npu: return "npu";
    case Backend::npu_sim: break;
  }
  return "npu-sim";
}

const char* title(Backend backend) {
  switch (backend) {
    case Backend::cpu: return "CPU";
    case Backend::igpu: return "iGPU through HIP";
    case Backend::npu: return "NPU through XRT";
    case Backend::npu_sim: break;
  }
  return "NPU simulator";
}

const char* name(Health health) {
  switch (health) {
    case Health::works: return "works";
    case Health::limited: return "works with limits";
    case Health::not_installed: return "not installed";
    case Health::unsupported: return "not supported";
    case Health::absent: return "not present";
    case Health::broken: break;
  }
  return "does not work";
}

namespace {

std::string cpu_kernels(const Cpu& cpu) {
  return cpu.avx512_vnni ? "AVX-512 VNNI" : cpu.avx_vnni ? "AVX-VNNI" : cpu.avx2 ? "AVX2" : cpu.neon_dot ? "NEON" : "scalar";
}

// What can be said before the table is asked; works: go on and ask it.
Diagnosis presence(const System& s, Backend backend) {
  Diagnosis d{.backend = backend, .health = Health::works, .why = {}, .mend = {}, .findings = {}};
  switch (backend) {
    case Backend::cpu:
      d.why = s.cpu.threads > 0 ? fmt::format("{} kernels, {} cores, {} threads", cpu_kernels(s.cpu), s.cpu.cores, s.cpu.threads)
                                : std::string("nothing known of it; the scalar kernels run anywhere");
      break;
    case Backend::npu_sim: d.why = "part of this program, needs no device"; break;
    case Backend::igpu:
      if (s.gpus.empty()) {
        d.health = Health::absent;
        d.why = "no AMD GPU on the PCI bus";
      } else {
        d.why = fmt::format("{}, HIP {}", s.gpus[0].target.empty() ? "a GPU of unknown target" : s.gpus[0].target,
                            s.hip.library && s.hip.library->version ? s.hip.library->version->text() : "of unknown version");
      }
      break;
    case Backend::npu: {
      const auto xdna2 = std::find_if(s.npus.begin(), s.npus.end(), [](const Npu& n) { return n.kind != NpuKind::phoenix; });
      if (s.npus.empty()) {
        d.health = Health::absent;
        d.why = s.accel.empty() ? "no AMD NPU on the PCI bus" : fmt::format("no AMD NPU on the PCI bus; {} belongs to something else", s.accel[0].path);
      } else if (xdna2 == s.npus.end()) {
        d.health = Health::unsupported;
        d.why = fmt::format("{}: its cores run other instructions than the XDNA 2 programs here", name(s.npus[0].kind));
      } else {
        d.why = fmt::format("{}, firmware {}, XRT {}", name(xdna2->kind), xdna2->firmware ? xdna2->firmware->text() : "of unknown version",
                            s.xrt.core && s.xrt.core->version ? s.xrt.core->version->text() : "of unknown version");
      }
      break;
    }
  }
  return d;
}

}  // namespace

Verdict diagnose(const System& system) {
  Verdict verdict;
  for (const Backend backend : kBackends) {
    Diagnosis d = presence(system, backend);
    if (d.health == Health::works) {
      std::vector<Finding> met;
      for (const KnownBad& row : known_bad()) {
        if (row.backend != backend || (row.last_resort && !met.empty())) continue;
        if (auto why = row.why(system)) met.push_back({&row, std::move(*why), row.mend(system)});
      }
      // What breaks comes before what is only missing or small, each in the order of the table.
      for (const Health severity : {Health::broken, Health::not_installed, Health::limited})
        for (Finding& f : met)
          if (f.row->severity == severity) d.findings.push_back(std::move(f));
      if (!d.findings.empty()) {
        d.health = d.findings[0].row->severity;
        d.why = d.health == Health::limited ? d.why + "; " + d.findings[0].why : d.findings[0].why;
        d.mend = d.findings[0].mend;
      }
    }
    verdict.good = verdict.good && d.health != Health::broken;
    verdict.backends.push_back(std::move(d));
  }
  return verdict;
}

}  // namespace onebit::system
