// The contract between GPU kernels and whoever launches them: names, arguments, grids, layouts. Plain C++ for host
// code and for the kernel sources; pointers are device pointers.
//
// Every kernel has exactly one parameter, a struct of this file passed by value. Blocks have the size stated
// (x only), warps have 32 threads, all shared memory is static (0 dynamic bytes). What changes from step to step
// (token ids, positions, number of tokens in use) is read from device memory, so that a graph replays a step without
// arguments of its own. Kernels write nothing but what is listed as an output.
//
// Arithmetic is that of src/cpu: ternary sums are exact int32, and float operations are those of float_ops.inl and
// attention.inl in the same order with the same roundings, so that every output has the bits the CPU gives.
//
// Bounds of a decode step on a device with B bytes/s (copy) and D dot4 lane operations/s: a ternary matrix of R x C
// takes max(R C / 4 / B, R C / 4 * (1 + 1 + L) / D) where L are the logic operations that expand 4 codes: 1 for p2
// with one token, 7/4 with more, 5 for p16. See docs/gpu.md for numbers.
#pragma once

#include <stdint.h>

namespace onebit::gpu {

// ---- Packed ternary weights --------------------------------------------------------------------------------------
//
// Rows are taken in units of 16. A unit is a run of tiles along the columns; a tile is 1024 bytes: two groups of 8
// rows (slots 0..7 and 8..15), each 512 bytes = 32 lanes of 16 bytes. Lane l of a group belongs to row l / 4 of the
// group and holds `fields` of 4 codes (code = weight + 1). Field f, position j (0..3) is the code of column
//
//   tile * tile_columns + 64 * (f / 4) + 16 * (l % 4) + 4 * (f % 4) + j
//
//   p2   16 fields, 256 columns a tile. Field f = bits 2i+1:2i (i = f % 4) of byte j of word f / 4 (four little-endian
//        32-bit words a lane).
//   p16  20 fields, 320 columns a tile, five trits a byte: 1.6 bits a weight. Field f = trit f % 5 of byte j of word
//        f / 5. Byte = ceil(256 n / 243) with n = 81 t0 + 27 t1 + 9 t2 + 3 t3 + t4; multiplying the low byte by 3 puts
//        the next trit into the high byte.
//
// Rows past the end and columns past the end hold code 1 (p2) and trits 1 (p16); activations are 0 there.
// A gated pair (gate and up, of equal shape) is one matrix of units whose slots 0..7 are rows 8u..8u+7 of gate and
// slots 8..15 the same rows of up.
enum class Packing : uint32_t { p2, p16 };
constexpr uint32_t kUnitRows = 16;
constexpr uint32_t kTileBytes = 1024;
constexpr uint32_t tile_fields(Packing p) { return p == Packing::p2 ? 16 : 20; }
constexpr uint32_t tile_columns(Packing p) { return 16 * tile_fields(p); }
constexpr uint32_t tiles(Packing p, uint32_t cols) { return (cols + tile_columns(p) - 1) / tile_columns(p); }
constexpr uint64_t packed_bytes(Packing p, uint32_t units, uint32_t cols) {
  return uint64_t{units} * tiles(p, cols) * kTileBytes;
}
constexpr uint32_t kMaxColumns = 1u << 18;  // no int32 overflows up to here

// ---- Quantised activations ---------------------------------------------------------------------------------------
// q [tokens][quant_stride(cols)] int8, zeros from cols on; inv_scale [tokens] = absmax / 127; sum [tokens] = sum of q.
constexpr uint32_t quant_stride(uint32_t cols) { return (cols + 1279) / 1280 * 1280; }

// ---- State of a step, in device memory ---------------------------------------------------------------------------
struct Token {
  int32_t id;         // row of the embedding
  uint32_t position;  // in its sequence
  uint32_t sequence;  // index into KvSequence[]
  uint32_t reserved;
};

enum class KvType : uint32_t { f32, f16, q8 };  // as cpu::KvType
// Keys and values of one sequence, laid out as KvCache of src/model: element (layer, k or v, kv head, position, d) at
// ((((layer * 2 + v) * kv_heads + head) * capacity + position) * head_dim + d; q8 has a float scale a row.
struct KvSequence {
  uint8_t* data;
  float* scales;      // q8 only: [layer][k, v][kv_head][capacity]
  uint32_t capacity;  // positions
  uint32_t reserved;
};
struct KvShape {
  KvType type;
  uint32_t layer;
  uint32_t heads;     // query heads, a multiple of kv_heads
  uint32_t kv_heads;
  uint32_t head_dim;  // even, at most 256
};

enum class FloatType : uint32_t { f32, f16, bf16 };

constexpr uint32_t kBlock = 256;  // threads of every kernel that does not say otherwise

// ---- embed: x[t] = table[tokens[t].id] ---------------------------------------------------------------------------
// Grid: tokens.
struct EmbedArgs {
  const Token* tokens;
  const void* table;  // [vocab][dim]
  float* x;           // [tokens][dim]
  FloatType type;
  uint32_t dim;
};

// ---- norm_quant: y = rms_norm(x) * weight, then quantised --------------------------------------------------------
// Grid: tokens. Any of weight (no norm: y = x), y and q may be null.
struct NormQuantArgs {
  const float* x;       // [tokens][cols]
  const float* weight;  // [cols]
  float* y;             // [tokens][cols]
  int8_t* q;            // [tokens][quant_stride(cols)]
  float* inv_scale;     // [tokens]
  int32_t* sum;         // [tokens]
  uint32_t cols;
  float eps;
};

// ---- ternary_gemv_{p2,p16}_t{1,2,4,8,16} and ternary_gemm_p2_r{64,128} -------------------------------------------
// GEMV: tokens <= the number in the name; grid x: gemv_blocks(units, split), 256 threads.
// GEMM: any number of tokens; grid x: ceil(units / (rows / 16)), y: ceil(tokens / 128); kGemmBlock threads; p2 only
// (expand_p16 turns p16 into p2).
enum class Epilogue : uint32_t {
  store,       // out = sum * (inv_scale * scale)
  add,         // out += the same
  gate_relu2,  // out = relu(g)^2 * u, g = gate sum * (inv_scale * scale), u = up sum * (inv_scale * up_scale)
  gate_silu,   // out = silu(g) * u
  sums,        // out = the int32 sums themselves
};
// Matrices that read one input: their units follow each other in the grid.
struct LinearSegment {
  const uint8_t* weights;  // 16-byte aligned, packed_bytes(packing, units, cols)
  float* out;              // [tokens][ld]
  uint32_t units;
  uint32_t rows;           // of out: at most 16 * units, gated at most 8 * units
  uint32_t ld;             // floats between tokens of out
  float scale;
};
constexpr uint32_t kSegments = 3;
struct LinearArgs {
  const int8_t* q;
  const float* inv_scale;
  const int32_t* sum;
  uint32_t tokens;
  uint32_t cols;
  uint32_t split;  // GEMV: warps that share the columns of a unit: 1, 2, 4 or 8
  Epilogue epilogue;
  float up_scale;  // gated
  LinearSegment segments[kSegments];  // units == 0: not in use
  // GEMV only. When counter is not null (it is 0 before and after), the last block to end does norm_quant of `next`
  // for all tokens, whose x are outputs of this launch: saves a launch.
  NormQuantArgs next;
  uint32_t* counter;
};
constexpr uint32_t gemv_blocks(uint32_t units, uint32_t split) { return (units + 8 / split - 1) / (8 / split); }
// Enough warps for `processors` (SMs, CUs) to keep memory busy, no more than one tile a warp.
constexpr uint32_t gemv_split(uint32_t units, uint32_t tiles, uint32_t processors) {
  uint32_t split = 1;
  while (split < 8 && split < tiles && units * split < processors * 16) split *= 2;
  return split;
}
constexpr uint32_t kGemmBlock = 128;
constexpr uint32_t kGemmTokens = 128;

// ---- expand_p16: p16 units to p2 units ---------------------------------------------------------------------------
// Grid: units.
struct ExpandArgs {
  const uint8_t* in;
  uint8_t* out;
  uint32_t cols;
};

// ---- rope_kv: rotates q in place and k, stores k and v in the cache ----------------------------------------------
// Grid: tokens. q [tokens][ld_q], k and v [tokens][ld_kv]; heads follow each other.
struct RopeArgs {
  const Token* tokens;
  const KvSequence* sequences;
  float* q;
  const float* k;
  const float* v;
  const float* cos;  // [positions][half]
  const float* sin;
  KvShape kv;
  uint32_t ld_q, ld_kv;
  uint32_t half;  // pairs rotated of each head
  uint32_t neox;  // 1: pairs (i, i + half); 0: (2i, 2i + 1)
};

// ---- Decode attention: attention_scores, attention_values, attention_combine -------------------------------------
// scores: grid x: score_blocks(positions) y: kv_heads, z: tokens.
// values: grid x: chunks(positions) * value_slices(head_dim), y: kv_heads, z: tokens; kValueBlock threads.
// combine: grid x: heads, y: tokens.
// `positions` is any number above every token's position; blocks past a token's position end at once. Needs
// heads / kv_heads <= 16.
struct AttentionArgs {
  const Token* tokens;
  const KvSequence* sequences;
  const float* q;     // [tokens][ld_q]
  float* out;         // [tokens][heads * head_dim]
  float* scores;      // [tokens][heads][positions], scratch
  float* partial;     // [tokens][chunks(positions)][heads][head_dim + 2] scratch: o, then maximum, then sum
  KvShape kv;
  uint32_t ld_q;
  uint32_t positions;
  uint32_t count;     // tokens (prefill)
  float scale;        // 1 / sqrt(head_dim)
};
constexpr uint32_t kKeyChunk = 1024;  // as in src/cpu/attention_kernels.h: part of the arithmetic
constexpr uint32_t kScoreKeys = 64;
constexpr uint32_t kValueColumns = 32;
constexpr uint32_t kValueBlock = 128;
constexpr uint32_t chunks(uint32_t positions) { return (positions + kKeyChunk - 1) / kKeyChunk; }
constexpr uint32_t score_blocks(uint32_t positions) { return (positions + kScoreKeys - 1) / kScoreKeys; }
constexpr uint32_t value_slices(uint32_t head_dim) { return (head_dim + kValueColumns - 1) / kValueColumns; }

// ---- attention_prefill_d{64,128,256} -----------------------------------------------------------------------------
// For runs of tokens of one sequence at consecutive positions, all keys stored. Uses AttentionArgs without scratch.
// The smallest D >= head_dim. Grid x: ceil(count * (heads / kv_heads) / prefill_rows(D)), y: kv_heads. 256 threads.
constexpr uint32_t prefill_rows(uint32_t d) { return d == 256 ? 16 : 32; }

// ---- Output head -------------------------------------------------------------------------------------------------
// A copy of the output matrix in int8 with a scale per row, and the scan that finds every row that could win:
//   head_compress   at load. Grid: ceil(vocab / 8).
//   head_prepare    grid: tokens
//   head_scan       grid x: head_groups(vocab), y: ceil(tokens / 4): approximate logits and the best lower bound of
//                   each group of 64 rows
//   head_threshold  grid: tokens: a value that at least k rows reach
//   head_collect    grid x: ceil(vocab / kBlock), y: tokens: rows whose upper bound reaches it
//   head_rescore    grid x: kRescoreBlocks, y: tokens: these rows in full precision
//   head_select     grid: tokens: the k best, and a choice among them
// The choice with temperature 0 is that of a full pass in full precision; so are the k best. The bound is that of
// src/cpu/head.h with another copy. dim is at most 65536.
constexpr uint32_t kHeadRows = 64;
constexpr uint32_t head_groups(uint32_t vocab) { return (vocab + kHeadRows - 1) / kHeadRows; }
constexpr uint32_t head_stride(uint32_t dim) { return (dim + 15) / 16 * 16; }
constexpr uint32_t kRescoreBlocks = 128;
constexpr uint32_t kMaxTopK = 1024;
struct SampleParameters {  // in device memory, one a token
  uint64_t random;      // state of SplitMix64, moves on by one draw
  float temperature;    // 0: greedy
  float top_p, min_p;
  uint32_t top_k;       // 1 .. kMaxTopK; greedy needs 1
};
struct Choice {
  int32_t token;        // -1: no logit is finite
  float logit;
};
struct HeadArgs {
  const void* table;      // [vocab][dim], in full precision
  FloatType type;
  uint32_t vocab, dim;
  const float* h;         // [tokens][dim], the normalised hidden state
  uint32_t tokens;
  // The copy.
  int8_t* codes;          // [vocab][head_stride(dim)]
  float* scale;           // [vocab]
  float* error;           // [vocab], at least |w - w^|
  float* norm;            // [vocab], at least |w|
  // Scratch.
  int8_t* hi;             // [tokens][head_stride(dim)]
  int8_t* lo;             // [tokens][head_stride(dim)]
  float* input;           // [tokens][4]: unit, a, c, 1 when the bound holds
  float* upper;           // [tokens][vocab]: upper bounds of the logits
  float* lower;           // [tokens][head_groups(vocab)]
  float* threshold;       // [tokens]
  uint32_t* counts;       // [tokens]
  uint32_t* list;         // [tokens][vocab]: rows to look at again
  float* logits;          // [tokens][vocab]: their logits in full precision
  // Results.
  SampleParameters* parameters;  // [tokens]
  Choice* best;           // [tokens][kMaxTopK]: the top_k best, best first, ties by lower id; token -1 where there
                          // are fewer. May be null.
  Choice* chosen;         // [tokens]
  // When not null: the state moves on (id = chosen, position + 1), and the id is appended: history[t][0] counts,
  // history[t][1 + n % history_size] is the n-th id.
  Token* next;
  uint32_t* history;      // [tokens][1 + history_size]
  uint32_t history_size;
};

// ---- linear_float: out = dot(row, x) * scale, for matrices that are not ternary ----------------------------------
// Grid x: ceil(rows / 8), y: tokens.
struct FloatLinearArgs {
  const void* weights;  // [rows][cols]
  const float* x;       // [tokens][cols]
  float* out;           // [tokens][ld]
  FloatType type;
  uint32_t rows, cols, ld;
  float scale;
  uint32_t add;         // 1: out += instead of out =
};

// ---- gate_float: h = act(gate) * up on floats. Grid: ceil(n / 256) -----------------------------------------------
struct GateArgs {
  const float* gate;
  const float* up;
  float* h;
  uint32_t n;
  uint32_t silu;  // 1: SiLU, 0: squared ReLU
};

}  // namespace onebit::gpu
