#include "npu/design/router.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <tuple>

#include <fmt/ranges.h>

#include "npu/design/plan.h"

namespace onebit::npu::design {
namespace {

constexpr unsigned kPorts = 32;  // above the number of ports of any switch
constexpr unsigned kRounds = 60;
constexpr uint32_t kHopCost = 16;
constexpr uint32_t kFar = std::numeric_limits<uint32_t>::max();

bool towards_neighbour(Bundle b) { return b == Bundle::south || b == Bundle::west || b == Bundle::north || b == Bundle::east; }

class Router {
 public:
  Router(const Device& device, const std::vector<Net>& nets) : device_(device), nets_(nets) {
    const size_t ports = size_t{device.columns} * device.rows * kPorts;
    users_.assign(ports, 0);
    history_.assign(ports, 0);
    trees_.resize(nets.size());
  }

  Result<std::vector<std::vector<Hop>>> run() {
    for (unsigned round = 0; round < kRounds; ++round) {
      pressure_ = round;
      for (size_t n = 0; n < nets_.size(); ++n) {
        for (const Hop& h : trees_[n]) --users_[master_id(h.tile, h.master)];
        trees_[n].clear();
        ONEBIT_TRY(route_net(n));
      }
      if (!congested()) return std::move(trees_);
    }
    return congestion();
  }

 private:
  size_t tile_index(TileId t) const { return size_t{t.column} * device_.rows + t.row; }
  TileId tile_at(size_t index) const { return {static_cast<uint8_t>(index / device_.rows), static_cast<uint8_t>(index % device_.rows)}; }
  size_t master_id(TileId t, Port p) const { return tile_index(t) * kPorts + *master_index(device_.kind(t.row), p); }
  size_t slave_id(TileId t, Port p) const { return tile_index(t) * kPorts + *slave_index(device_.kind(t.row), p); }

  uint32_t cost(size_t master) const { return kHopCost + history_[master] + users_[master] * (kHopCost * 2) * pressure_; }

  // Nearest first, so that later branches grow from a tree that already reaches far.
  std::vector<PortAt> ordered_sinks(const Net& net) const {
    std::vector<PortAt> sinks = net.sinks;
    const auto distance = [&net](const PortAt& s) {
      return std::abs(int{s.tile.column} - int{net.source.tile.column}) + std::abs(int{s.tile.row} - int{net.source.tile.row});
    };
    std::sort(sinks.begin(), sinks.end(), [&](const PortAt& a, const PortAt& b) {
      return distance(a) != distance(b) ? distance(a) < distance(b) : std::tie(a.tile, a.port) < std::tie(b.tile, b.port);
    });
    return sinks;
  }

  Status route_net(size_t n) {
    const Net& net = nets_[n];
    std::vector<size_t> tree{slave_id(net.source.tile, net.source.port)};
    for (const PortAt& sink : ordered_sinks(net)) {
      const std::vector<Hop> path = find_path(tree, sink);
      if (path.empty())
        return fail(Errc::out_of_range, "fifo '{}': no route from {} {} to {} {}", net.name, npu::name(net.source.tile), npu::name(net.source.port),
                    npu::name(sink.tile), npu::name(sink.port));
      for (const Hop& h : path) {
        ++users_[master_id(h.tile, h.master)];
        trees_[n].push_back(h);
        if (const auto next = slave_driven_by(device_, h.tile, h.master)) tree.push_back(slave_id(next->tile, next->port));
      }
    }
    return {};
  }

  struct From {
    size_t node = 0;  // the slave it came from
    Port master;
  };

  // Dijkstra from every slave of the tree to the sink's switch and port. Nothing where there is no way.
  std::vector<Hop> find_path(const std::vector<size_t>& tree, const PortAt& sink) {
    const size_t nodes = users_.size();
    std::vector<uint32_t> best(nodes, kFar);
    std::vector<From> from(nodes);
    using Entry = std::pair<uint32_t, size_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
    for (const size_t node : tree) {
      best[node] = 0;
      open.push({0, node});
    }
    uint32_t found = kFar;
    size_t last = 0;
    while (!open.empty()) {
      const auto [so_far, node] = open.top();
      open.pop();
      if (so_far >= found) break;
      if (so_far > best[node]) continue;
      const TileId tile = tile_at(node / kPorts);
      const TileKind kind = device_.kind(tile.row);
      const Port slave = slave_ports(kind)[node % kPorts];
      for (const Port master : master_ports(kind)) {
        if (!connection_legal(kind, slave, master)) continue;
        const size_t m = master_id(tile, master);
        const uint32_t sum = so_far + cost(m);
        if (tile == sink.tile && master == sink.port) {
          if (sum < found) found = sum, last = node;
          continue;
        }
        if (!towards_neighbour(master.bundle)) continue;
        const auto next = slave_driven_by(device_, tile, master);
        if (!next) continue;
        const size_t id = slave_id(next->tile, next->port);
        if (sum >= best[id]) continue;
        best[id] = sum;
        from[id] = {node, master};
        open.push({sum, id});
      }
    }
    if (found == kFar) return {};
    std::vector<Hop> path{{sink.tile, slave_at(last), sink.port}};
    for (size_t node = last; best[node] != 0; node = from[node].node) {
      const size_t before = from[node].node;
      path.push_back({tile_at(before / kPorts), slave_at(before), from[node].master});
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

  Port slave_at(size_t node) const { return slave_ports(device_.kind(tile_at(node / kPorts).row))[node % kPorts]; }

  // Whether a port serves two nets; then such ports grow dearer.
  bool congested() {
    bool any = false;
    for (size_t m = 0; m < users_.size(); ++m) {
      if (users_[m] < 2) continue;
      history_[m] += kHopCost * (users_[m] - 1);
      if (!any) worst_ = m;
      any = true;
    }
    return any;
  }

  // The side of a switch that too many streams want to leave by.
  std::unexpected<Error> congestion() const {
    const TileId tile = tile_at(worst_ / kPorts);
    const auto masters = master_ports(device_.kind(tile.row));
    const Bundle side = masters[worst_ % kPorts].bundle;
    std::vector<std::string> users;
    for (size_t n = 0; n < nets_.size(); ++n)
      for (const Hop& h : trees_[n])
        if (h.tile == tile && h.master.bundle == side) users.push_back(nets_[n].name);
    const auto ports = std::count_if(masters.begin(), masters.end(), [side](Port p) { return p.bundle == side; });
    std::string port = npu::name(masters[worst_ % kPorts]);
    port.pop_back();  // the number
    return fail(Errc::out_of_range, "{}: {} ports of the switch: {} used ({}), {} available", tile_name(device_, tile), port, users.size(),
                fmt::join(users, ", "), ports);
  }

  const Device& device_;
  const std::vector<Net>& nets_;
  std::vector<uint32_t> users_, history_;  // by master port
  std::vector<std::vector<Hop>> trees_;
  uint32_t pressure_ = 0;
  size_t worst_ = 0;
};

}  // namespace

Result<std::vector<std::vector<Hop>>> route(const Device& device, const std::vector<Net>& nets) { return Router(device, nets).run(); }

}  // namespace onebit::npu::design
