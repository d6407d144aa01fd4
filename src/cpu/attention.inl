// Attention kernels in terms of a vec16_*.h header that the including file chose; attention_kernels.h
// states the arithmetic. All loops over tiles of registers have constant bounds.

#include "cpu/vec16_math.inl"

namespace onebit::cpu {
namespace {

// Where no key has been seen; finite, so that differences of maxima are never NaN by themselves.
constexpr float kNoMaximum = -__FLT_MAX__;

inline uint32_t padded(uint32_t head_dim) { return (head_dim + kLanes - 1) / kLanes * kLanes; }
inline uint32_t row_vectors(const AttentionTile& tile) { return (tile.rows + kLanes - 1) / kLanes; }

void pack_queries(const AttentionTile& tile, AttentionWork& work) {
  for (uint32_t first = 0; first < tile.rows; first += kLanes) {
    for_lanes(tile.head_dim, [&](size_t d, size_t lanes) {
      Vf rows[kLanes];
      for (uint32_t r = 0; r < kLanes; ++r) {
        rows[r] = first + r < tile.rows ? load_n(tile.q[first + r] + d, lanes) * set1(tile.scale) : set1(0.0f);
      }
      store_transposed(work.q + d * kTileRows + first, kTileRows, rows);
    });
  }
}

inline Vf load_elements(const float* p, size_t n, float) { return load_n(p, n); }
inline Vf load_elements(const uint16_t* p, size_t n, float) {
  if (n == kLanes) return load_f16(p);
  uint16_t t[kLanes] = {};
  __builtin_memcpy(t, p, n * sizeof(uint16_t));
  return load_f16(t);
}
inline Vf load_elements(const int8_t* p, size_t n, float scale) {
  if (n == kLanes) return load_i8(p) * set1(scale);
  int8_t t[kLanes] = {};
  __builtin_memcpy(t, p, n);
  return load_i8(t) * set1(scale);
}

// rows x columns elements to fp32 rows `ld` apart, padded with zeros to whole vectors.
template <class T>
inline void unpack(float* out, uint32_t ld, const T* in, uint32_t ld_in, const float* scales, uint32_t rows,
                   uint32_t columns) {
  for (uint32_t r = 0; r < rows; ++r, out += ld, in += ld_in) {
    const float scale = scales ? scales[r] : 1.0f;
    for_lanes(columns, [&](size_t i, size_t lanes) { store(out + i, load_elements(in + i, lanes, scale)); });
  }
}

// Keys or values of the positions [first, first + rows), elements [column, column + columns).
inline void unpack_block(float* out, uint32_t ld, const AttentionTile& tile, const void* base, const float* scales,
                         uint32_t first, uint32_t rows, uint32_t column, uint32_t columns) {
  const uint32_t ld_in = tile.head_dim;
  const size_t at = size_t{first} * ld_in + column;
  switch (tile.type) {
    case KvType::f32: return unpack(out, ld, static_cast<const float*>(base) + at, ld_in, nullptr, rows, columns);
    case KvType::f16: return unpack(out, ld, static_cast<const uint16_t*>(base) + at, ld_in, nullptr, rows, columns);
    case KvType::q8:
      return unpack(out, ld, static_cast<const int8_t*>(base) + at, ld_in, scales + first, rows, columns);
  }
}

// What one tile of scores announces to the memory system while it computes: the next keys, and the
// values of its own keys, `step` bytes of each per d. Without it a decode step alternates between
// waiting for memory and computing.
struct Ahead {
  const char* k;
  const char* v;
  size_t step;
};

// s[key][row] = k[key] . q[row] for kKeys keys and kVectors vectors of rows.
template <int kKeys, int kVectors>
inline void score_tile(float* s, const float* q, const float* k, uint32_t ldk, uint32_t head_dim, const Ahead* ahead) {
  Vf acc[kKeys][kVectors];
  for (auto& row : acc) {
    for (Vf& a : row) a = set1(0.0f);
  }
  for (size_t d = 0; d < head_dim; ++d) {
    if (kVectors == 1 && ahead) {
      __builtin_prefetch(ahead->k + d * ahead->step);
      __builtin_prefetch(ahead->v + d * ahead->step);
    }
    Vf x[kVectors];
    for (int v = 0; v < kVectors; ++v) x[v] = load(q + d * kTileRows + v * kLanes);
    for (int i = 0; i < kKeys; ++i) {
      const Vf y = set1(k[i * ldk + d]);
      for (int v = 0; v < kVectors; ++v) acc[i][v] = fma(y, x[v], acc[i][v]);
    }
  }
  for (int i = 0; i < kKeys; ++i) {
    for (int v = 0; v < kVectors; ++v) store(s + i * kTileRows + v * kLanes, acc[i][v]);
  }
}

// Scores of the kKeyTile keys in work.k with all rows of the tile, to s[key][row].
inline void score_keys(const AttentionTile& tile, AttentionWork& work, float* s, const Ahead& ahead) {
  constexpr uint32_t kPairKeys = 8, kSingleKeys = kWideVectors ? 16 : 4;  // fill 16 of 32, or 8 of 16 registers
  const uint32_t ldk = padded(tile.head_dim), vectors = row_vectors(tile);
  uint32_t v = 0;
  if constexpr (kWideVectors) {
    for (; v + 2 <= vectors; v += 2) {
      for (uint32_t i = 0; i < kKeyTile; i += kPairKeys) {
        score_tile<kPairKeys, 2>(s + i * kTileRows + v * kLanes, work.q + v * kLanes, work.k + i * ldk, ldk,
                                 tile.head_dim, nullptr);
      }
    }
  }
  for (; v < vectors; ++v) {
    for (uint32_t i = 0; i < kKeyTile; i += kSingleKeys) {
      score_tile<kSingleKeys, 1>(s + i * kTileRows + v * kLanes, work.q + v * kLanes, work.k + i * ldk, ldk,
                                 tile.head_dim, i == 0 ? &ahead : nullptr);
    }
  }
}

// Scores of `keys` keys from position `first`; rows of work.s past them may hold anything.
inline void scores(const AttentionTile& tile, AttentionWork& work, uint32_t first, uint32_t keys) {
  const size_t row_bytes = tile.head_dim * kv_element_bytes(tile.type);
  for (uint32_t i = 0; i < keys; i += kKeyTile) {
    const uint32_t n = keys - i < kKeyTile ? keys - i : kKeyTile;
    unpack_block(work.k, padded(tile.head_dim), tile, tile.k, tile.k_scale, first + i, n, 0, tile.head_dim);
    const Ahead ahead = {static_cast<const char*>(tile.k) + (size_t{first} + i + kKeyTile) * row_bytes,
                         static_cast<const char*>(tile.v) + (size_t{first} + i) * row_bytes,
                         kKeyTile * kv_element_bytes(tile.type)};
    score_keys(tile, work, work.s + i * kTileRows, ahead);
  }
}

// Scores of few rows (a decode step): keys as lanes instead, from keys transposed to k[d][key]. The same
// operations in the same order for each score.
template <int kRows>
inline void score_lanes(float* s, const float* q, const float* k, uint32_t head_dim, const Ahead& ahead) {
  Vf acc[kRows][2];
  for (auto& row : acc) row[0] = row[1] = set1(0.0f);
  for (size_t d = 0; d < head_dim; ++d) {
    __builtin_prefetch(ahead.k + d * ahead.step);
    __builtin_prefetch(ahead.v + d * ahead.step);
    const Vf k0 = load(k + d * kLaneKeys), k1 = load(k + d * kLaneKeys + kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Vf x = set1(q[d * kTileRows + r]);
      acc[r][0] = fma(k0, x, acc[r][0]);
      acc[r][1] = fma(k1, x, acc[r][1]);
    }
  }
  for (int half = 0; half < 2; ++half) {
    Vf rows[kLanes];
    for (uint32_t r = 0; r < kLanes; ++r) rows[r] = r < kRows ? acc[r % kRows][half] : set1(0.0f);
    store_transposed(s + half * kLanes * kTileRows, kTileRows, rows);
  }
}

template <class T>
inline void unpack_transposed(float* out, const T* in, const float* scales, uint32_t rows, uint32_t head_dim) {
  for (uint32_t first = 0; first < kLaneKeys; first += kLanes) {
    for_lanes(head_dim, [&](size_t d, size_t lanes) {
      Vf keys[kLanes];
      for (uint32_t r = 0; r < kLanes; ++r) {
        const uint32_t row = first + r;
        keys[r] = row < rows ? load_elements(in + size_t{row} * head_dim + d, lanes, scales ? scales[row] : 1.0f)
                             : set1(0.0f);
      }
      store_transposed(out + d * kLaneKeys + first, kLaneKeys, keys);
    });
  }
}

inline void scores_of_few(const AttentionTile& tile, AttentionWork& work, uint32_t first, uint32_t keys) {
  for (uint32_t i = 0; i < keys; i += kLaneKeys) {
    const uint32_t n = keys - i < kLaneKeys ? keys - i : kLaneKeys;
    const size_t at = (size_t{first} + i) * tile.head_dim;
    switch (tile.type) {
      case KvType::f32:
        unpack_transposed(work.k, static_cast<const float*>(tile.k) + at, nullptr, n, tile.head_dim);
        break;
      case KvType::f16:
        unpack_transposed(work.k, static_cast<const uint16_t*>(tile.k) + at, nullptr, n, tile.head_dim);
        break;
      case KvType::q8:
        unpack_transposed(work.k, static_cast<const int8_t*>(tile.k) + at, tile.k_scale + first + i, n, tile.head_dim);
        break;
    }
    const size_t bytes = kv_element_bytes(tile.type);
    const Ahead ahead = {static_cast<const char*>(tile.k) + (at + size_t{kLaneKeys} * tile.head_dim) * bytes,
                         static_cast<const char*>(tile.v) + at * bytes, kLaneKeys * bytes};
    float* const s = work.s + i * kTileRows;
    if (tile.rows <= 4) {
      score_lanes<4>(s, work.q, work.k, tile.head_dim, ahead);
    } else {
      score_lanes<8>(s, work.q, work.k, tile.head_dim, ahead);
    }
  }
}

// Turns scores into p; updates m and l; leaves what o must be multiplied by in work.correction.
inline void softmax_block(const AttentionTile& tile, AttentionWork& work, SoftmaxState& state, uint32_t first,
                          uint32_t keys) {
  const bool masked = first + keys > tile.min_position + 1;
  for (uint32_t v = 0; v < row_vectors(tile); ++v) {
    float* s = work.s + v * kLanes;
    const Vf before = load(state.m + v * kLanes);
    Vf m = before;
    const Vf limit = load(tile.position + v * kLanes) - set1(static_cast<float>(first) - 1.0f);
    for (uint32_t i = 0; i < keys; ++i) {
      Vf x = load(s + i * kTileRows);
      if (masked) {
        x = select_less(set1(static_cast<float>(i)), limit, x, set1(-__builtin_inff()));
        store(s + i * kTileRows, x);
      }
      m = max(x, m);  // a NaN score is passed over here and makes p NaN below
    }
    Vf part[4] = {set1(0.0f), set1(0.0f), set1(0.0f), set1(0.0f)};
    const auto step = [&](uint32_t i, int j) {
      const Vf p = exp_nonpositive(load(s + i * kTileRows) - m);
      store(s + i * kTileRows, p);
      part[j] = part[j] + p;
    };
    uint32_t i = 0;
    for (; i + 4 <= keys; i += 4) step(i, 0), step(i + 1, 1), step(i + 2, 2), step(i + 3, 3);
    if (i < keys) step(i, 0);
    if (i + 1 < keys) step(i + 1, 1);
    if (i + 2 < keys) step(i + 2, 2);
    const Vf correction = exp_nonpositive(before - m);
    store(work.correction + v * kLanes, correction);
    store(state.l + v * kLanes, fma(load(state.l + v * kLanes), correction, (part[0] + part[1]) + (part[2] + part[3])));
    store(state.m + v * kLanes, m);
  }
}

// o[row] = o[row] * correction[row] + sum of p[key][row] * v[key], for kRows rows and kVectors vectors.
template <int kRows, int kVectors>
inline void value_tile(float* o, uint32_t ld, const float* correction, const float* p, const float* v, uint32_t keys) {
  Vf acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVectors; ++j) acc[r][j] = load(o + r * ld + j * kLanes) * set1(correction[r]);
  }
  for (uint32_t i = 0; i < keys; ++i) {
    Vf x[kVectors];
    for (int j = 0; j < kVectors; ++j) x[j] = load(v + i * kValueColumns + j * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Vf y = set1(p[i * kTileRows + r]);
      for (int j = 0; j < kVectors; ++j) acc[r][j] = fma(y, x[j], acc[r][j]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVectors; ++j) store(o + r * ld + j * kLanes, acc[r][j]);
  }
}

// o for `columns` columns from `column` on, a multiple of 16, with the values of these columns in work.v.
template <int kVectors>
inline void value_columns(const AttentionTile& tile, AttentionWork& work, SoftmaxState& state, uint32_t keys,
                          uint32_t column, uint32_t columns) {
  const uint32_t ld = padded(tile.head_dim);
  for (uint32_t j = 0; j < columns; j += kVectors * kLanes) {
    float* const o = state.o + column + j;
    uint32_t r = 0;
    for (; r + 4 <= tile.rows; r += 4) {
      value_tile<4, kVectors>(o + r * ld, ld, work.correction + r, work.s + r, work.v + j, keys);
    }
    for (; r < tile.rows; ++r) {
      value_tile<1, kVectors>(o + r * ld, ld, work.correction + r, work.s + r, work.v + j, keys);
    }
  }
}

inline void values(const AttentionTile& tile, AttentionWork& work, SoftmaxState& state, uint32_t first, uint32_t keys) {
  for (uint32_t column = 0; column < tile.head_dim; column += kValueColumns) {
    const uint32_t left = tile.head_dim - column, columns = left < kValueColumns ? left : kValueColumns;
    unpack_block(work.v, kValueColumns, tile, tile.v, tile.v_scale, first, keys, column, columns);
    if (kWideVectors && columns == kValueColumns) {
      value_columns<4>(tile, work, state, keys, column, columns);
    } else {
      value_columns<1>(tile, work, state, keys, column, columns);
    }
  }
}

void attend(const AttentionTile& tile, uint32_t chunk, AttentionWork& work, SoftmaxState& state) {
  for (uint32_t r = 0; r < row_vectors(tile) * kLanes; ++r) {
    state.m[r] = kNoMaximum;
    state.l[r] = 0.0f;
  }
  __builtin_memset(state.o, 0, sizeof(float) * tile.rows * padded(tile.head_dim));
  const uint32_t end_of_chunk = (chunk + 1) * kKeyChunk, end_of_keys = tile.max_position + 1;
  const uint32_t end = end_of_chunk < end_of_keys ? end_of_chunk : end_of_keys;
  for (uint32_t first = chunk * kKeyChunk; first < end; first += kKeyBlock) {
    const uint32_t keys = end - first < kKeyBlock ? end - first : kKeyBlock;
    if (kWideVectors && tile.rows <= 8) {
      scores_of_few(tile, work, first, keys);
    } else {
      scores(tile, work, first, keys);
    }
    softmax_block(tile, work, state, first, keys);
    values(tile, work, state, first, keys);
  }
}

void merge(const AttentionTile& tile, SoftmaxState& state, const SoftmaxState& next) {
  float weight_state[kTileRows], weight_next[kTileRows];
  for (uint32_t v = 0; v < row_vectors(tile) * kLanes; v += kLanes) {
    const Vf a = load(state.m + v), b = load(next.m + v), m = max(b, a);
    const Vf wa = exp_nonpositive(a - m), wb = exp_nonpositive(b - m);
    store(state.m + v, m);
    store(state.l + v, fma(load(next.l + v), wb, load(state.l + v) * wa));
    store(weight_state + v, wa);
    store(weight_next + v, wb);
  }
  const uint32_t ld = padded(tile.head_dim);
  for (uint32_t r = 0; r < tile.rows; ++r) {
    float* o = state.o + r * ld;
    for (uint32_t d = 0; d < ld; d += kLanes) {
      store(o + d, fma(load(next.o + r * ld + d), set1(weight_next[r]), load(o + d) * set1(weight_state[r])));
    }
  }
}

void finish(const AttentionTile& tile, const SoftmaxState& state) {
  const uint32_t ld = padded(tile.head_dim);
  for (uint32_t r = 0; r < tile.rows; ++r) {
    const Vf factor = set1(1.0f / state.l[r]);
    // Adding 0 turns -0, which masked keys may or may not have turned already, into 0.
    for_lanes(tile.head_dim, [&](size_t i, size_t lanes) {
      store_n(tile.out[r] + i, lanes, load(state.o + r * ld + i) * factor + set1(0.0f));
    });
  }
}

constexpr AttentionKernels kAttention = {pack_queries, attend, merge, finish};

}  // namespace
}  // namespace onebit::cpu
