// Which back ends a system can run, and where one cannot, why and the command that mends it. A judgement from files:
// no device is opened and nothing is run on one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "system/system.h"

namespace onebit::system {

enum class Backend { cpu, igpu, npu, npu_sim };
inline constexpr Backend kBackends[] = {Backend::cpu, Backend::igpu, Backend::npu, Backend::npu_sim};
const char* name(Backend backend);   // as --device spells it: "cpu", "gpu", "npu", "npu-sim"
const char* title(Backend backend);

enum class Health {
  works,
  limited,        // works, but something makes it slower or smaller than it could be
  not_installed,  // the hardware is there and nothing of its library is
  unsupported,    // hardware that the programs here are not made for
  absent,         // no such hardware
  broken,         // the hardware is there and does not work
};
const char* name(Health health);  // "works", "works with limits", "not installed", ...

// Severity: broken, limited or not_installed.
struct KnownBad {
  const char* id;
  Backend backend;
  Health severity;
  const char* what;    // the combination, for the list in docs/doctor.md
  const char* source;  // where it was seen
  std::optional<std::string> (*why)(const System&);  // the sentence for this system, when it has it
  std::string (*mend)(const System&);                // one command
  bool last_resort = false;  // only where no row before it has an explanation
};
// In the order in which a user has to mend them.
std::span<const KnownBad> known_bad();

struct Finding {
  const KnownBad* row = nullptr;
  std::string why, mend;
};

struct Diagnosis {
  Backend backend;
  Health health = Health::works;
  std::string why;   // one sentence: what there is, or the first finding's
  std::string mend;  // empty where there is nothing to mend
  std::vector<Finding> findings;
};

struct Verdict {
  std::vector<Diagnosis> backends;
  bool good = true;  // nothing that is present is broken
};
Verdict diagnose(const System& system);

}  // namespace onebit::system
