// Shared by the steps of the lowering: what a description becomes before it is written as registers.
//
//   check.cpp    the description by itself: names, tiles, handles, types, bodies
//   plan.cpp     fifos into rings and streams; channels, locks and descriptors handed out
//   memory.cpp   addresses of rings, buffers and parameters
//   bodies.cpp   bodies into core programs
//   router.cpp   streams into circuits
//   emit.cpp     everything into CDO commands
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "npu/design/lower.h"

namespace onebit::npu::design {

// A part of every element of a ring, guarded by its own pair of locks. Rings that are neither split nor
// joined have one part: the whole.
struct Part {
  uint64_t offset = 0, bytes = 0;
  unsigned repeat = 1;            // sends of each element
  uint8_t empty = 0, full = 0;    // lock ids in the ring's tile
};

// The buffers of one end of a fifo, or of a link, used in turn.
struct Ring {
  std::string name;
  TileId tile;  // that owns memory and locks
  uint64_t bytes = 0;
  unsigned depth = 0;
  bool locked = true;  // false: constants that a memory tile sends for ever
  bool store = false;    // descriptors come with the instruction stream
  std::optional<uint32_t> constants;  // buffer whose memory this is
  std::vector<Part> parts;
  std::vector<uint32_t> addresses;  // in the tile
};

// One end of a fifo that a DMA channel of a core or memory tile serves.
struct Stream {
  uint32_t fifo = 0;
  TileId tile;
  Direction direction = Direction::s2mm;
  uint32_t ring = 0;
  size_t first_part = 0, part_count = 1;
  Pattern pattern;
  Element element = Element::int32;
  uint8_t channel = 0;
  std::vector<uint8_t> bds;

  // A ring of one element counts the sends of a repeated element in its locks; a longer one has a
  // descriptor per send.
  size_t descriptors(const Ring& r) const;
};

struct Plan {
  explicit Plan(const Program& p) : program(p) {}

  const Program& program;
  std::vector<Ring> rings;
  std::vector<Stream> streams;
  std::vector<ShimEnd> shim_ends;
  std::map<std::pair<TileId, uint32_t>, uint32_t> core_rings;  // (core, fifo) -> ring
  std::vector<PlacedLock> locks, signals;
  std::vector<PlacedBuffer> placed;            // rings and buffers
  std::vector<uint32_t> buffer_addresses;      // by Buffer::index, in the tile
  std::vector<PlacedParameter> parameters;     // by Parameter::index
  std::vector<PlacedCore> cores;
  std::vector<Route> routes;
  std::map<TileId, TileUse> use;

  const Device& device() const { return program.device(); }
  TileKind kind(TileId tile) const { return device().kind(tile.row); }
  TileUse& used(TileId tile) {
    TileUse& u = use[tile];
    u.tile = tile;
    return u;
  }
};

// "core tile (0,2)"
std::string tile_name(const Device& device, TileId tile);
// The type of an element at an end.
const Type& end_type(const FifoSpec& fifo, const End& end);
inline unsigned end_depth(const FifoSpec& fifo, const End& end) { return end.depth ? end.depth : fifo.options.depth; }
// The tile that holds the ring of a fifo between two cores, when memory can carry it. `why` says why not.
std::optional<TileId> shared_owner(const FifoSpec& fifo, const Device& device, std::string* why = nullptr);
// Whether a link or feed takes care of the fifo's end (`receives`) or start in a tile; then no body does.
bool is_linked(const Program& program, uint32_t fifo, bool receives, TileId tile);
// The receiving end of a fifo in a tile; null where it has none.
const End* end_in(const FifoSpec& fifo, TileId tile);
// Where the fifos of a link meet.
TileId link_tile(const Program& program, const LinkSpec& link);
// Whether the fifo goes through memory that both cores reach.
bool is_shared(const Program& program, uint32_t fifo);
// The window in which a core sees the data memory of a tile: itself, or its south, west or north neighbour.
struct CoreWindow {
  uint32_t base;
  unsigned locks;
};
std::optional<CoreWindow> core_window(TileId core, TileId owner, const Device& device);

Status check_program(const Program& program);
Status check_bodies(const Program& program);
Status make_plan(Plan& plan);
Status place_memory(Plan& plan);
Status lower_bodies(Plan& plan);
Status route_streams(Plan& plan);
// Descriptors of every stream, then the configuration.
Result<std::vector<PlacedChannel>> make_descriptors(const Plan& plan);
std::vector<PlacedStore> placed_stores(const Plan& plan);
Result<Cdo> emit_cdo(const Plan& plan, const std::vector<PlacedChannel>& channels);

}  // namespace onebit::npu::design
