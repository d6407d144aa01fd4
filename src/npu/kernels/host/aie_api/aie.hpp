// Functional model of the part of AMD's aie_api that kernels in this repository use, for an ordinary C++ compiler.
//
// A kernel includes <aie_api/aie.hpp>. The device compiler finds the vendor's header; the host compiler, with this
// folder's parent on its include path, finds this one. Names and meaning are those of the public API
// (repository Xilinx/aie_api); nothing here models time.
//
// What differs from the device, on purpose:
//   * a vector, accumulator or mmul that was never written holds 0xCD in every byte, as do lanes the API calls
//     undefined (grow, shuffle_up, ...): a kernel that depends on them is wrong in the same way on every run;
//   * misaligned aligned-accesses and lane indices out of range end the program with a message;
//   * float sums run in the order k = 0, 1, ... with one rounding per addition (fp32). The device aligns all addends to
//     the largest exponent first, so float results agree within a tolerance only; integers agree exactly.
#pragma once

#include "aie_api/types.hpp"
#include "aie_api/vector.hpp"
#include "aie_api/accum.hpp"
#include "aie_api/ld_st.hpp"
#include "aie_api/arithmetic.hpp"
#include "aie_api/shuffle.hpp"
#include "aie_api/mmul.hpp"
#include "aie_api/core.hpp"
