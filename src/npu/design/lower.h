// From a description to what configures the array: addresses, locks, descriptors, channels, routes, and
// the PDI and xclbin made of them. The same program always gives the same bytes.
//
// Placement, per tile
//   core    stack at the bottom, then parameter words; rings and buffers each in one 16 KiB window where
//           they fit, different operands in different windows
//   memory  from 0x14000 up (the firmware was seen to overwrite words below); rings, which are rewritten,
//           may fall back to the low part, constants may not
//   locks   per ring of an end: "empty" starts at the depth, "full" at 0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "npu/design/program.h"
#include "npu/device/stream_switch.h"
#include "npu/image/cdo.h"
#include "npu/image/core_program.h"

namespace onebit::npu::design {

struct PlacedBuffer {
  std::string name;  // "in[0]", "weights"
  TileId tile;
  uint32_t address = 0;  // in the tile
  uint32_t bytes = 0;
};
struct PlacedLock {
  std::string name;  // "in.full"
  TileId tile;
  uint8_t id = 0;
  uint8_t initial = 0;
};
struct PlacedBd {
  uint8_t id = 0;
  std::vector<uint32_t> words;
};
struct PlacedChannel {
  TileId tile;
  Direction direction = Direction::s2mm;
  uint8_t channel = 0;
  std::vector<uint32_t> fifos;  // that this channel serves
  std::vector<PlacedBd> bds;    // a ring, started at the first; none in a shim: the sequence writes those
};
struct Hop {  // one connection of a switch
  TileId tile;
  Port slave, master;
  bool operator==(const Hop&) const = default;
};
struct Route {
  uint32_t fifo = 0;
  std::vector<Hop> hops;
};
struct PlacedCore {
  TileId tile;
  CoreProgram program;
  uint32_t record_bytes = 0, code_bytes = 0;
};
// Where the sequence finds a fifo that has an end in a shim.
struct ShimEnd {
  uint32_t fifo = 0;
  TileId tile;
  Direction direction = Direction::s2mm;
  uint8_t channel = 0;
  uint32_t element_bytes = 4;   // of the fifo's element type
  uint64_t object_bytes = 0;    // moved per element of the far end: transfers are multiples of it
};
struct PlacedParameter {
  TileId tile;
  uint32_t address = 0;  // in the tile
};

// What a store of the program was given, by Store::index.
struct PlacedStore {
  TileId tile;
  uint32_t address = 0, bytes = 0;  // in the tile
  uint8_t in_channel = 0, out_channel = 0;
  std::vector<uint8_t> in_bds{}, out_bds{};  // one a slot
  std::vector<uint8_t> empty{}, full{};      // locks, one each a slot
};

struct TileUse {
  TileId tile;
  uint32_t data_bytes = 0, program_bytes = 0, bds = 0, locks = 0, s2mm = 0, mm2s = 0;
};

struct Lowered {
  Program program;
  std::vector<PlacedBuffer> buffers{};
  std::vector<PlacedLock> locks{};
  std::vector<PlacedChannel> channels{};
  std::vector<Route> routes{};
  std::vector<PlacedCore> cores{};
  std::vector<ShimEnd> shim_ends{};
  std::vector<PlacedParameter> parameters{};  // by Parameter::index
  std::vector<PlacedLock> signals{};          // by Signal::index
  std::vector<PlacedStore> stores{};          // by Store::index
  std::vector<TileUse> use{};                 // every tile in use, in order

  bool machine_code = false;  // every core has compiled code
  Cdo cdo{};
  std::vector<uint8_t> pdi{}, xclbin{};
};

// Checks the description and every budget; the message names the tile, the resource, what is used and what
// there is.
Result<Lowered> lower(const Program& program);

}  // namespace onebit::npu::design
