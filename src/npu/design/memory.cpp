// Addresses of rings, buffers and parameters.
#include <algorithm>
#include <numeric>

#include "npu/design/plan.h"

namespace onebit::npu::design {
namespace {

constexpr uint32_t kAlign = 64;  // one vector load
constexpr uint32_t kLowMemTileBytes = 0x14000;

uint64_t aligned(uint64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

// A ring (one piece per element) or a buffer (one piece) in one tile.
struct Operand {
  std::string name;
  uint64_t piece = 0;  // aligned bytes
  size_t pieces = 1;
  bool constant = false;  // a memory tile's, read for ever
  uint32_t* buffer = nullptr;
  Ring* ring = nullptr;
  size_t order = 0;  // in the description

  uint64_t total() const { return piece * pieces; }
  void place(size_t i, uint64_t address) const {
    if (buffer) *buffer = static_cast<uint32_t>(address);
    if (ring) ring->addresses[i] = static_cast<uint32_t>(address);
  }
  std::string text() const { return pieces == 1 ? fmt::format("{} {}", name, piece) : fmt::format("{} {} x {}", name, pieces, piece); }
};

std::vector<Operand> operands_of(Plan& plan, TileId tile) {
  std::vector<Operand> list;
  for (Ring& r : plan.rings) {
    if (r.tile != tile || r.constants) continue;
    r.addresses.assign(r.depth, 0);
    list.push_back({r.name, aligned(r.bytes), r.depth, false, nullptr, &r, list.size()});
  }
  for (size_t i = 0; i < plan.program.buffers().size(); ++i) {
    const BufferSpec& b = plan.program.buffers()[i];
    if (b.tile == tile) list.push_back({b.name, aligned(b.type.bytes()), 1, !b.initial.empty(), &plan.buffer_addresses[i], nullptr, list.size()});
  }
  return list;
}

Status check_sum(Plan& plan, TileId tile, uint64_t reserved, const std::vector<Operand>& operands) {
  uint64_t sum = reserved;
  std::string users = reserved ? fmt::format("stack and parameters {}", reserved) : "";
  for (const Operand& o : operands) {
    sum += o.total();
    users += fmt::format("{}{}", users.empty() ? "" : ", ", o.text());
  }
  const uint32_t available = plan.device().tile(tile).data_bytes;
  if (sum > available)
    return fail(Errc::out_of_range, "{}: data memory: {} bytes used ({}), {} available", tile_name(plan.device(), tile), sum, users, available);
  plan.used(tile).data_bytes = static_cast<uint32_t>(sum);
  return {};
}

// A core's data memory as windows that different operands should not share.
class Windows {
 public:
  Windows(uint32_t bytes, uint64_t reserved) : next_(bytes / kBankBytes), operands_(next_.size()) {
    for (size_t w = 0; w < next_.size(); ++w) next_[w] = std::clamp<uint64_t>(reserved, start(w), start(w + 1));
  }

  bool place(const Operand& o) {
    if (const auto w = best_window(o.total())) {
      for (size_t i = 0; i < o.pieces; ++i) o.place(i, take(*w, o.piece));
      ++operands_[*w];
      return true;
    }
    for (size_t i = 0; i < o.pieces; ++i) {
      const auto w = best_window(o.piece);
      const auto run = w ? std::optional<uint64_t>(take(*w, o.piece)) : take_run(o.piece);
      if (!run) return false;
      if (w) ++operands_[*w];
      o.place(i, *run);
    }
    return true;
  }

 private:
  static uint64_t start(size_t window) { return window * kBankBytes; }
  uint64_t room(size_t w) const { return start(w + 1) - next_[w]; }

  // The window with the fewest operands, then the most room.
  std::optional<size_t> best_window(uint64_t bytes) const {
    std::optional<size_t> best;
    for (size_t w = 0; w < next_.size(); ++w) {
      if (room(w) < bytes) continue;
      if (!best || operands_[w] < operands_[*best] || (operands_[w] == operands_[*best] && room(w) > room(*best))) best = w;
    }
    return best;
  }
  uint64_t take(size_t w, uint64_t bytes) { return std::exchange(next_[w], next_[w] + bytes); }

  // What is larger than a window: from the end of one through empty ones, as high as possible.
  std::optional<uint64_t> take_run(uint64_t bytes) {
    for (size_t w = next_.size(); w-- > 0;) {
      const uint64_t first = next_[w], stop = first + bytes;
      if (stop > start(next_.size())) continue;
      bool free = true;
      for (size_t v = w + 1; v < next_.size() && start(v) < stop; ++v) free &= next_[v] == start(v);
      if (!free) continue;
      for (size_t v = w; v < next_.size() && start(v) < stop; ++v) {
        next_[v] = std::min(stop, start(v + 1));
        ++operands_[v];
      }
      return first;
    }
    return std::nullopt;
  }

  std::vector<uint64_t> next_;
  std::vector<unsigned> operands_;
};

void pack(const std::vector<Operand>& operands, uint64_t at) {
  for (const Operand& o : operands)
    for (size_t i = 0; i < o.pieces; ++i, at += o.piece) o.place(i, at);
}

Status place_core(Plan& plan, TileId tile) {
  uint64_t reserved = aligned(plan.program.stack_bytes());
  uint64_t words = 0;
  for (size_t i = 0; i < plan.program.parameters().size(); ++i)
    if (plan.program.parameters()[i].tile == tile) plan.parameters[i] = {tile, static_cast<uint32_t>(reserved + 4 * words++)};
  reserved += aligned(4 * words);
  std::vector<Operand> operands = operands_of(plan, tile);
  ONEBIT_TRY(check_sum(plan, tile, reserved, operands));
  std::sort(operands.begin(), operands.end(), [](const Operand& a, const Operand& b) { return a.total() != b.total() ? a.total() > b.total() : a.order < b.order; });
  Windows windows(plan.device().tile(tile).data_bytes, reserved);
  const bool fits = std::all_of(operands.begin(), operands.end(), [&windows](const Operand& o) { return windows.place(o); });
  if (!fits) pack(operands, reserved);
  return {};
}

Status place_mem(Plan& plan, TileId tile) {
  std::vector<Operand> operands = operands_of(plan, tile);
  ONEBIT_TRY(check_sum(plan, tile, 0, operands));
  std::sort(operands.begin(), operands.end(), [](const Operand& a, const Operand& b) { return a.constant != b.constant ? a.constant : a.order < b.order; });
  uint64_t sum = 0, constants = 0;
  for (const Operand& o : operands) {
    sum += o.total();
    if (o.constant) constants += o.total();
  }
  const uint64_t bytes = plan.device().tile(tile).data_bytes;
  if (constants > bytes - kLowMemTileBytes)
    return fail(Errc::out_of_range, "{}: data memory for constants: {} bytes used, {} available (none below {:#x})", tile_name(plan.device(), tile), constants,
                bytes - kLowMemTileBytes, kLowMemTileBytes);
  if (kLowMemTileBytes + sum <= bytes) {
    pack(operands, kLowMemTileBytes);
    return {};
  }
  // Rings from the bottom, constants at the top.
  const auto first_ring = std::find_if(operands.begin(), operands.end(), [](const Operand& o) { return !o.constant; });
  pack({operands.begin(), first_ring}, bytes - constants);
  pack({first_ring, operands.end()}, 0);
  return {};
}

}  // namespace

Status place_memory(Plan& plan) {
  plan.buffer_addresses.assign(plan.program.buffers().size(), 0);
  plan.parameters.assign(plan.program.parameters().size(), {});
  std::vector<TileId> tiles;
  for (const Ring& r : plan.rings) tiles.push_back(r.tile);
  for (const BufferSpec& b : plan.program.buffers()) tiles.push_back(b.tile);
  for (const CoreSpec& c : plan.program.cores()) tiles.push_back(c.tile);
  std::sort(tiles.begin(), tiles.end());
  tiles.erase(std::unique(tiles.begin(), tiles.end()), tiles.end());
  for (const TileId tile : tiles) ONEBIT_TRY(plan.kind(tile) == TileKind::core ? place_core(plan, tile) : place_mem(plan, tile));

  for (Ring& r : plan.rings) {
    if (r.constants) {
      r.addresses = {plan.buffer_addresses[*r.constants]};
      continue;
    }
    for (size_t i = 0; i < r.addresses.size(); ++i)
      plan.placed.push_back({fmt::format("{}[{}]", r.name, i), r.tile, r.addresses[i], static_cast<uint32_t>(r.bytes)});
  }
  for (size_t i = 0; i < plan.program.buffers().size(); ++i) {
    const BufferSpec& b = plan.program.buffers()[i];
    plan.placed.push_back({b.name, b.tile, plan.buffer_addresses[i], static_cast<uint32_t>(b.type.bytes())});
  }
  return {};
}

}  // namespace onebit::npu::design
