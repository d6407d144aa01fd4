// The stream switches of all tiles: circuits resolved into links from a source to its sinks, and packet ports that
// read headers and take arbiters. Rebuilt when a switch register changes; what lies in the fifos stays.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "npu/device/stream_switch.h"
#include "npu/sim/fifo.h"
#include "npu/sim/scheduler.h"

namespace onebit::npu {

class Array;
struct Tile;

// A source and every fifo that its words go to; all must have space.
struct Link {
  std::vector<Fifo*> sinks{};
  unsigned switches = 0;  // on the longest way
  bool stale = true;      // a switch register changed since

  unsigned space() const;
  // Pushes and wakes the readers.
  void push(Scheduler& scheduler, const uint32_t* words, unsigned n, bool last, const double* times, double latency) const;
};

// A slave port in packet mode: matches headers, waits for the arbiter, forwards up to TLAST.
class PacketPort : public Actor {
 public:
  PacketPort(Array& array, TileId tile, uint8_t slave_index);

  Status step() override;
  std::string name() const override;
  Wait wait() const override { return wait_; }

  Fifo fifo;
  TileId tile() const { return tile_; }
  uint8_t slave() const { return slave_; }
  bool feeds(const Fifo* fifo) const;

 private:
  Status start_packet();  // reads the header, finds the masters
  Array& array_;
  TileId tile_;
  uint8_t slave_;
  Wait wait_;
  bool in_packet_ = false;
  bool owns_ = false;       // the arbiter
  bool header_ = false;     // not yet sent
  unsigned arbiter_ = 0;
  std::vector<Link*> links_;
  std::vector<bool> drops_header_;
};

class Fabric {
 public:
  explicit Fabric(Array& array) : array_(array) {}

  // A switch or mux register changed.
  void invalidate();

  // The link that leaves from a slave port (circuit or packet), or from a packet-mode master. Nothing while no
  // enabled master takes from it.
  Result<Link*> from_slave(TileId tile, uint8_t slave);
  Result<Link*> from_master(TileId tile, uint8_t master);

  // The fifo in front of what a master feeds.
  Fifo& sink(TileId tile, uint8_t master);
  // Where packets with this id end from a slave port: an error text when they do not reach SOUTH0 of a shim.
  std::optional<std::string> token_lost(TileId tile, unsigned id);

  // Arbiters, 6 per switch.
  bool take_arbiter(TileId tile, unsigned arbiter, PacketPort& who);
  void free_arbiter(TileId tile, unsigned arbiter);
  const PacketPort* arbiter_owner(TileId tile, unsigned arbiter) const;

  // Masters that a packet with this header goes to from the slave port; the arbiter comes with them.
  struct PacketRoute {
    unsigned arbiter = 0;
    std::vector<uint8_t> masters{};
  };
  Result<PacketRoute> packet_route(TileId tile, uint8_t slave, unsigned id);

  std::vector<const PacketPort*> ports() const;

 private:
  using Key = std::pair<TileId, uint8_t>;
  Status collect_slave(TileId tile, uint8_t slave, unsigned depth, Link& link);
  Status collect_master(TileId tile, uint8_t master, unsigned depth, Link& link);
  bool token_arrives(TileId tile, uint8_t slave, unsigned id, unsigned depth, std::string* reason);
  bool token_arrives_master(TileId tile, uint8_t master, unsigned id, unsigned depth, std::string* reason);
  uint32_t master_word(TileId tile, unsigned master) const;
  uint32_t slave_word(TileId tile, unsigned slave) const;
  PacketPort& port(TileId tile, uint8_t slave);

  Array& array_;
  std::map<Key, std::unique_ptr<Link>> slave_links_, master_links_;
  std::map<Key, std::unique_ptr<Fifo>> sinks_;
  std::map<Key, std::unique_ptr<PacketPort>> ports_;
  std::map<Key, PacketPort*> arbiters_;  // owners
};

}  // namespace onebit::npu
