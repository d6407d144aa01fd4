#include "cpu/attention.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/attention_kernels.h"

namespace onebit::cpu {
namespace {

// The rows of one KV head that one tile covers, as a range of (token, head of the group) pairs of a run
// of queries that share a cache.
struct TileRange {
  uint32_t query;     // first query of the run
  uint32_t first_row;
  uint32_t rows;
};

AttentionTile make_tile(std::span<const AttentionQuery> queries, const TileRange& range, uint32_t kv_head,
                        uint32_t heads, float scale) {
  const KvLayer& kv = queries[range.query].kv;
  const uint32_t group = heads / kv.kv_heads;
  const size_t first = size_t{kv_head} * kv.capacity;
  const size_t offset = first * kv.head_dim * kv_element_bytes(kv.type);
  AttentionTile tile{};
  tile.type = kv.type;
  tile.k = static_cast<const uint8_t*>(kv.k) + offset;
  tile.v = static_cast<const uint8_t*>(kv.v) + offset;
  if (kv.type == KvType::q8) {
    tile.k_scale = kv.k_scale + first;
    tile.v_scale = kv.v_scale + first;
  }
  tile.head_dim = kv.head_dim;
  tile.rows = range.rows;
  tile.scale = scale;
  tile.min_position = UINT32_MAX;
  for (uint32_t r = 0; r < range.rows; ++r) {
    const uint32_t row = range.first_row + r;
    const AttentionQuery& query = queries[range.query + row / group];
    const size_t head = size_t{kv_head} * group + row % group;
    tile.q[r] = query.q + head * kv.head_dim;
    tile.out[r] = query.out + head * kv.head_dim;
    tile.position[r] = static_cast<float>(query.position);
    tile.min_position = std::min(tile.min_position, query.position);
    tile.max_position = std::max(tile.max_position, query.position);
  }
  return tile;
}

Status check(const AttentionQuery& query, uint32_t heads) {
  const KvLayer& kv = query.kv;
  if (kv.kv_heads == 0 || heads % kv.kv_heads != 0) {
    return fail(Errc::out_of_range, "attention: {} heads, expected a multiple of the {} KV heads", heads, kv.kv_heads);
  }
  if (kv.head_dim == 0 || kv.head_dim > kMaxHeadDim) {
    return fail(Errc::out_of_range, "attention: head size {}, expected 1 to {}", kv.head_dim, kMaxHeadDim);
  }
  if (query.position >= kv.capacity || kv.capacity > kMaxPositions) {
    return fail(Errc::out_of_range, "attention: position {} in a cache of {}, of at most {}", query.position,
                kv.capacity, kMaxPositions);
  }
  return {};
}

// Tiles of all runs of queries that share a cache.
Status find_tiles(std::span<const AttentionQuery> queries, uint32_t heads, std::vector<TileRange>& tiles) {
  for (size_t first = 0; first < queries.size();) {
    size_t end = first;
    for (; end < queries.size() && queries[end].kv.k == queries[first].kv.k; ++end) {
      ONEBIT_TRY(check(queries[end], heads));
    }
    const uint32_t rows = static_cast<uint32_t>(end - first) * (heads / queries[first].kv.kv_heads);
    for (uint32_t r = 0; r < rows; r += kTileRows) {
      tiles.push_back({static_cast<uint32_t>(first), r, std::min(kTileRows, rows - r)});
    }
    first = end;
  }
  return {};
}

}  // namespace

const AttentionKernels& attention_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2:
    case Isa::avxvnni: return attention_avx2;
    case Isa::avx512vnni: return attention_avx512;
#elif defined(__aarch64__)
    case Isa::neon: return attention_neon;
#endif
    default: return attention_scalar;
  }
}

void kv_store(const FloatOps& ops, const KvLayer& kv, uint32_t position, const float* k, const float* v) {
  for (uint32_t h = 0; h < kv.kv_heads; ++h) {
    const size_t row = size_t{h} * kv.capacity + position, at = row * kv.head_dim;
    const float* in[2] = {k + size_t{h} * kv.head_dim, v + size_t{h} * kv.head_dim};
    void* const out[2] = {kv.k, kv.v};
    float* const scales[2] = {kv.k_scale, kv.v_scale};
    for (int i = 0; i < 2; ++i) {
      switch (kv.type) {
        case KvType::f32: std::memcpy(static_cast<float*>(out[i]) + at, in[i], kv.head_dim * sizeof(float)); break;
        case KvType::f16: ops.f32_to_f16(static_cast<uint16_t*>(out[i]) + at, in[i], kv.head_dim); break;
        case KvType::q8:
          scales[i][row] = ops.quantize_q8(static_cast<int8_t*>(out[i]) + at, in[i], kv.head_dim);
          break;
      }
    }
  }
}

Status attention(const FloatOps& ops, ThreadPool& pool, std::span<const AttentionQuery> queries, uint32_t heads,
                 float scale, AttentionScratch& scratch) {
  if (queries.empty()) return {};
  std::vector<TileRange> tiles;
  ONEBIT_TRY(find_tiles(queries, heads, tiles));
  const AttentionKernels& kernels = attention_kernels(ops.isa);

  uint32_t last = 0;
  for (const AttentionQuery& query : queries) last = std::max(last, query.position);
  const uint32_t chunks = last / kKeyChunk + 1, kv_heads = queries[0].kv.kv_heads;
  const size_t units = tiles.size() * kv_heads;
  // Few tiles and a long context: chunks are computed side by side and merged afterwards.
  const bool split = chunks > 1 && units < size_t{4} * pool.size();

  const size_t states = split ? units * chunks : size_t{2} * pool.size();
  const size_t need = pool.size() * sizeof(AttentionWork) + states * sizeof(SoftmaxState);
  if (scratch.memory.size() < need) {
    ONEBIT_ASSIGN(scratch.memory, Buffer::allocate(need, "attention scratch"));
  }
  auto* const work = scratch.memory.as<AttentionWork>();
  auto* const state = reinterpret_cast<SoftmaxState*>(work + pool.size());

  if (!split) {
    pool.parallel_for(units, [&](size_t index, unsigned worker) {
      // The last tiles of a prompt see the most keys: they go first.
      const TileRange& range = tiles[tiles.size() - 1 - index / kv_heads];
      const AttentionTile tile = make_tile(queries, range, static_cast<uint32_t>(index % kv_heads), heads, scale);
      SoftmaxState& sum = state[2 * worker];
      SoftmaxState& next = state[2 * worker + 1];
      kernels.pack_queries(tile, work[worker]);
      kernels.attend(tile, 0, work[worker], sum);
      for (uint32_t c = 1; c <= tile.max_position / kKeyChunk; ++c) {
        kernels.attend(tile, c, work[worker], next);
        kernels.merge(tile, sum, next);
      }
      kernels.finish(tile, sum);
    });
    return {};
  }

  const auto tile_of = [&](size_t unit) {
    return make_tile(queries, tiles[unit / kv_heads], static_cast<uint32_t>(unit % kv_heads), heads, scale);
  };
  pool.parallel_for(units * chunks, [&](size_t index, unsigned worker) {
    const uint32_t chunk = static_cast<uint32_t>(index % chunks);
    const AttentionTile tile = tile_of(index / chunks);
    if (chunk > tile.max_position / kKeyChunk) return;
    kernels.pack_queries(tile, work[worker]);
    kernels.attend(tile, chunk, work[worker], state[index]);
  });
  pool.parallel_for(units, [&](size_t unit, unsigned) {
    const AttentionTile tile = tile_of(unit);
    SoftmaxState* const parts = state + unit * chunks;
    for (uint32_t c = 1; c <= tile.max_position / kKeyChunk; ++c) kernels.merge(tile, parts[0], parts[c]);
    kernels.finish(tile, parts[0]);
  });
  return {};
}

}  // namespace onebit::cpu
