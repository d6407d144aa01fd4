#include <algorithm>

#include "npu/sim/array.h"

namespace onebit::npu {

PacketPort::PacketPort(Array& array, TileId tile, uint8_t slave_index)
    : fifo(fmt::format("{} slave {}", npu::name(tile), npu::name(slave_ports(array.device.kind(tile.row))[slave_index]))),
      array_(array), tile_(tile), slave_(slave_index) {
  fifo.reader = this;
}

std::string PacketPort::name() const { return fifo.sink(); }

bool PacketPort::feeds(const Fifo* f) const {
  return std::any_of(links_.begin(), links_.end(), [f](const Link* l) { return std::find(l->sinks.begin(), l->sinks.end(), f) != l->sinks.end(); });
}

Status PacketPort::start_packet() {
  ONEBIT_ASSIGN(const Fabric::PacketRoute route, array_.fabric.packet_route(tile_, slave_, fifo.front() & 0x1F));
  links_.clear();
  drops_header_.clear();
  const Tile& t = array_.tile(tile_);
  for (const uint8_t m : route.masters) {
    ONEBIT_ASSIGN(Link * link, array_.fabric.from_master(tile_, m));
    links_.push_back(link);
    drops_header_.push_back(decode_master(t.reg(t.model->stream_switch.master_offset(m))).drop_header);
  }
  arbiter_ = route.arbiter;
  in_packet_ = header_ = true;
  owns_ = false;
  return {};
}

Status PacketPort::step() {
  wait_ = {};
  while (true) {
    bool complete = false;
    unsigned n = fifo.packet_words(&complete);
    if (n == 0) {
      wait_ = {Wait::For::words, tile_, 0, 0, false, &fifo};
      return {};
    }
    if (!in_packet_) ONEBIT_TRY(start_packet());
    if (!owns_) owns_ = array_.fabric.take_arbiter(tile_, arbiter_, *this);
    if (!owns_) {
      wait_ = {Wait::For::arbiter, tile_, arbiter_, 0, false, nullptr};
      return {};
    }
    const unsigned all = n;
    if (header_) n = 1;
    for (size_t i = 0; i < links_.size(); ++i)
      if (!header_ || !drops_header_[i]) n = std::min(n, links_[i]->space());
    if (n == 0) {
      for (Link* l : links_)
        for (Fifo* f : l->sinks)
          if (f->space() == 0) {
            f->blocked_writer = this;
            wait_ = {Wait::For::space, tile_, 0, 0, false, f};
          }
      return {};
    }
    const bool last = complete && n == all;
    std::array<uint32_t, Fifo::kWords> words;
    std::array<double, Fifo::kWords> times;
    fifo.peek(words.data(), n);
    const TimingModel& timing = array_.options.timing;
    for (unsigned i = 0; array_.options.timed && i < n; ++i) {
      double t = std::max(clock + 4 / timing.stream_bytes_per_cycle, fifo.ready(i));
      for (const Link* l : links_)
        for (const Fifo* f : l->sinks) t = std::max(t, f->freed(i));
      times[i] = clock = t;
      fifo.set_freed(i, t);
    }
    for (size_t i = 0; i < links_.size(); ++i)
      if (!header_ || !drops_header_[i])
        links_[i]->push(array_.scheduler, words.data(), n, last, array_.options.timed ? times.data() : nullptr, timing.route_cycles);
    fifo.pop(n);
    array_.scheduler.wake(std::exchange(fifo.blocked_writer, nullptr));
    ONEBIT_TRY(array_.scheduler.spend(n, *this));
    header_ = false;
    if (last) {
      in_packet_ = false;
      array_.fabric.free_arbiter(tile_, arbiter_);
      array_.scheduler.wake(this);  // behind the ports that waited for the arbiter
      return {};
    }
  }
}

}  // namespace onebit::npu
