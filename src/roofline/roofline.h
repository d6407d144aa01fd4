// Ceilings: tokens per second that no implementation passes on a machine, from bytes over bandwidth and operations over
// rate. A ceiling has the label of the weakest thing it rests on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/token_cost.h"
#include "roofline/machines.h"

namespace onebit::roofline {

// How a decoded token's bytes are held.
struct Packing {
  const char* what;
  double linear_bits, head_bits;  // per weight; head_bits 0: the linear layers alone
};
inline constexpr Packing kPackings[] = {
    {"linears alone, 2 bits", 2, 0},
    {"2 bits, F16 head", 2, 16},
    {"2 bits, 6.56-bit head", 2, 6.5625},  // Q6_K: 210 bytes for 256 weights
    {"1.6 bits, 6.56-bit head", 1.6, 6.5625},
};
// The GPU path: five trits a byte, and a head of bytes with three floats a row (of 2560 here).
inline constexpr Packing kGpuPacking = {"1.6 bits, 8-bit head", 1.6, 8.0375};

struct Options {
  uint32_t context = 0;   // positions already in the cache, F16 keys and values
  uint32_t prompt = 512;  // tokens
};

// Bytes one token reads. The linear layers alone: no head, norms, keys or values.
double decode_bytes(const TokenCost& cost, const Packing& packing, uint32_t context);

struct Decode {
  Figure figure;
  std::vector<double> tokens_per_s;  // for each of kPackings
};

struct Prefill {
  Figure figure;
  double tokens_per_s = 0;
  double weights_s = 0;  // to read the weights once for the prompt, at the unit's best bandwidth
  bool memory_bound = false;
};

// A GEMM design in the NPU performance model, over all linear layers of a prompt.
struct Modelled {
  const char* design;
  const char* how;
  uint32_t m = 0;
  double tokens_per_s = 0, tops = 0;
  std::string not_covered;  // why there is no figure
};

struct Roofline {
  std::vector<Decode> decode;
  std::vector<Prefill> prefill;
  std::vector<Modelled> modelled;
};
Roofline roofline(const TokenCost& cost, const Machine& machine, const Options& options);

// A rate that was seen at one bandwidth, at another: decode is bound by memory, so it grows in proportion.
struct Seen {
  double tokens_per_s, bandwidth;
};
inline constexpr Seen kSeen = {50, 77e9};              // BitNet-2B-4T, as the field quotes it
inline constexpr double kQuotedBandwidth = 120e9;      // to which it is scaled there
inline double scale(const Seen& seen, double bandwidth) { return seen.tokens_per_s * bandwidth / seen.bandwidth; }

}  // namespace onebit::roofline
