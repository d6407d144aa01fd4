// Rules about instruction streams.
#include <map>

#include "npu/image/lint_internal.h"

namespace onebit::npu {
namespace {

using ChannelKey = std::tuple<TileId, Direction, uint8_t>;

class StreamLint {
 public:
  StreamLint(RegisterFile regs, bool configured, Report& report) : regs_(std::move(regs)), configured_(configured), report_(report) {}

  void run(const Transaction& stream) {
    check_header(stream);
    for (const TxnOp& op : stream.ops) {
      where_ = fmt::format("op at {:#x}", op.offset);
      std::visit([this](const auto& body) { step(body); }, op.body);
      const size_t before = regs_.pushes().size();
      regs_.apply(op);
      for (size_t i = before; i < regs_.pushes().size(); ++i) {
        const QueuePush push = regs_.pushes()[i];
        queued(push);
      }
    }
    if (starts_output_ && !waits_) report_.add("no-wait", "stream", "starts output transfers, but waits for none");
  }

 private:
  const Device& device() const { return regs_.device(); }

  // Rule "stream-header".
  void check_header(const Transaction& t) {
    const Device& d = device();
    if (t.generation != d.stream_generation || t.rows != d.rows || t.columns > d.columns || t.columns == 0 || t.mem_rows != d.mem_rows)
      report_.add("stream-header", "header",
                  fmt::format("generation {}, {} x {} tiles, {} memory rows; expected generation {}, {} x {}, {}", t.generation, t.columns, t.rows,
                              t.mem_rows, d.stream_generation, d.columns, d.rows, d.mem_rows));
  }

  void step(const TxnWrite& t) { check_write(device(), t.address, ~0u, t.value, where_, report_); }
  void step(const TxnMaskWrite& t) { check_write(device(), t.address, t.mask, t.value, where_, report_); }
  void step(const TxnBlockWrite& t) {
    check_block(device(), t.address, t.data, where_, report_);
    for (size_t i = 0; i < t.data.size(); ++i) patched_.erase(t.address + 4 * i);
  }
  void step(const TxnDdrPatch& t) {
    const auto at = device().locate(t.address);
    const auto bd = at && at->tile.row == 0 ? find_bd_register(device().tile(TileKind::shim), at->offset) : std::nullopt;
    if (!bd || bd->word != 1)
      report_.add("patch", where_, fmt::format("patches address {:#x}, expected word 1 of a shim descriptor", t.address));
    else
      patched_.insert(t.address);
    if (t.argument >= kMaxBufferArguments)
      report_.add("patch", where_, fmt::format("patches bo{}, expected bo0 to bo{}", t.argument, kMaxBufferArguments - 1));
    if (t.offset % 4) report_.add("patch", where_, fmt::format("offset is {:#x}, expected a multiple of 4", t.offset));
  }
  void step(const TxnSync& t) {
    waits_ = true;
    for (unsigned c = 0; c < t.columns; ++c)
      for (unsigned r = 0; r < t.rows; ++r) wait_for(t, c, r);
    if (t.columns == 0 || t.rows == 0) report_.add("sync", where_, "waits for no tile");
  }
  template <class T>
  void step(const T&) {}

  // Rule "sync": one token of one tile.
  void wait_for(const TxnSync& t, unsigned column, unsigned row) {
    const TileId tile{static_cast<uint8_t>(t.column + column), static_cast<uint8_t>(t.row + row)};
    if (t.column + column >= device().columns || t.row + row >= device().rows)
      return report_.add("sync", where_, fmt::format("waits for tile ({},{}), outside the array", t.column + column, t.row + row));
    int& tokens = tokens_[{tile, t.direction, t.channel}];
    if (tokens == 0)
      return report_.add("sync", where_, fmt::format("waits for a token of {} that no task issues", channel_name(tile, t.direction, t.channel)));
    --tokens;
    if (configured_) check_token_route(regs_, tile.column, report_);
  }

  // One task-queue entry.
  void queued(const QueuePush& push) {
    check_task(regs_, push, report_);
    if (push.word & kQueueToken) issue_token(push);
    if (push.tile.row != 0) return;
    starts_output_ |= push.direction == Direction::s2mm;
    for (const unsigned b : regs_.chain(push.tile, queue_bd(push.word, TileKind::shim)).bds) check_shim_bd(push, b);
    if (configured_) check_route(push);
  }

  void issue_token(const QueuePush& push) {
    ++tokens_[{push.tile, push.direction, push.channel}];
    check_token_controller(regs_, push, report_);
  }

  // Rules "axi-attributes" and "unpatched".
  void check_shim_bd(const QueuePush& push, unsigned index) {
    const auto bd = regs_.bd(push.tile, index);
    if (!bd) return;  // "bd-invalid" has told
    const std::string where = fmt::format("{}, {}", where_, bd_name(push.tile, index));
    if (bd->burst != kAxiBurst || bd->cache != kAxiCache || bd->qos != kAxiQos)
      report_.add("axi-attributes", where,
                  fmt::format("burst {}, cache {}, QoS {}; expected {}, {}, {}", bd->burst, bd->cache, bd->qos, kAxiBurst, kAxiCache, kAxiQos));
    const uint64_t word1 = address_of(push.tile, device().tile(TileKind::shim).dma.bd_offset(index) + 4);
    if (!patched_.contains(word1)) report_.add("unpatched", where, "is queued, but no DDR_PATCH gave it a buffer");
  }

  // Rule "shim-route".
  void check_route(const QueuePush& push) {
    for (const ShimDmaPort& p : shim_dma_ports()) {
      if (p.direction != push.direction || p.channel != push.channel) continue;
      const bool switched = p.direction == Direction::mm2s ? slave_config(regs_, push.tile, p.port).enable : master_config(regs_, push.tile, p.port).enable;
      if (!switched || !shim_port_is_dma(regs_, push.tile, p))
        report_.add("shim-route", channel_name(push.tile, push.direction, push.channel), fmt::format("is queued, but the configuration does not connect {}", name(p.port)));
    }
  }

  RegisterFile regs_;
  bool configured_;
  Report& report_;
  std::string where_;
  std::set<uint64_t> patched_;  // addresses of word 1 with a buffer address in it
  std::map<ChannelKey, int> tokens_;
  bool starts_output_ = false, waits_ = false;
};

}  // namespace

void lint_stream(const Transaction& stream, RegisterFile regs, bool configured, Report& report) {
  StreamLint lint(std::move(regs), configured, report);
  lint.run(stream);
}

}  // namespace onebit::npu
