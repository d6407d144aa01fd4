#include "npu/image/transaction.h"

#include <algorithm>
#include <optional>
#include <span>

namespace onebit::npu {
namespace {

// Operation codes, the low byte of the first word (aie-codegen xaie_txn.h).
enum Op : uint8_t {
  kWrite = 0, kBlockWrite = 1, kBlockSet = 2, kMaskWrite = 3, kMaskPoll = 4, kNoop = 5, kPreempt = 6, kMaskPollBusy = 7,
  kLoadPdi = 8, kLoadPmStart = 9, kCreateScratchpad = 10, kUpdateStateTable = 11, kUpdateRegister = 12, kUpdateScratch = 13,
  kTct = 128, kDdrPatch = 129, kReadRegisters = 130, kRecordTimer = 131, kMergeSync = 132,
};

using Words = std::span<const uint32_t>;

// Layout of one operation in one encoding: its words, and which of them holds the size in bytes.
struct Layout {
  uint32_t words;                   // without data and tail
  std::optional<uint32_t> size_at;  // none: the size is fixed
};

std::optional<Layout> layout(uint8_t op, bool compact) {
  switch (op) {
    case kWrite: return compact ? Layout{3, {}} : Layout{6, 5};
    case kBlockWrite: return compact ? Layout{3, 2} : Layout{4, 3};
    case kMaskWrite:
    case kMaskPoll:
    case kMaskPollBusy: return compact ? Layout{4, {}} : Layout{7, 6};
    case kNoop:
    case kPreempt:
    case kUpdateScratch: return Layout{1, {}};
    case kLoadPmStart:
    case kUpdateStateTable: return Layout{2, {}};
    case kUpdateRegister: return Layout{3, {}};
    case kLoadPdi:
    case kCreateScratchpad: return Layout{4, {}};
    case kTct: return Layout{4, 1};
    case kDdrPatch: return compact ? Layout{6, 1} : Layout{12, 1};
    case kReadRegisters:
    case kRecordTimer:
    case kMergeSync: return Layout{2, 1};
    default: return std::nullopt;
  }
}

uint64_t join(uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; }
uint32_t low(uint64_t v) { return static_cast<uint32_t>(v); }
uint32_t high(uint64_t v) { return static_cast<uint32_t>(v >> 32); }

TxnSync sync_from(Words w) {
  return {.column = static_cast<uint8_t>(w[2] >> 16),
          .row = static_cast<uint8_t>(w[2] >> 8),
          .direction = w[2] & 1 ? Direction::mm2s : Direction::s2mm,
          .channel = static_cast<uint8_t>(w[3] >> 24),
          .columns = static_cast<uint8_t>(w[3] >> 16),
          .rows = static_cast<uint8_t>(w[3] >> 8)};
}

decltype(TxnOp::body) decode(uint8_t op, Words w, uint32_t data_at, bool compact) {
  switch (op) {
    case kWrite: return compact ? TxnWrite{w[1], w[2]} : TxnWrite{join(w[2], w[3]), w[4]};
    case kBlockWrite: return TxnBlockWrite{compact ? w[1] : w[2], {w.begin() + data_at, w.end()}};
    case kMaskWrite: return compact ? TxnMaskWrite{w[1], w[2], w[3]} : TxnMaskWrite{join(w[2], w[3]), w[4], w[5]};
    case kMaskPoll:
    case kMaskPollBusy:
      return compact ? TxnMaskPoll{w[1], w[2], w[3], op == kMaskPollBusy}
                     : TxnMaskPoll{join(w[2], w[3]), w[4], w[5], op == kMaskPollBusy};
    case kNoop: return TxnNoop{};
    case kPreempt: return TxnPreempt{static_cast<uint8_t>(w[0] >> 8)};
    case kLoadPdi: return TxnLoadPdi{static_cast<uint16_t>(w[0] >> 16), w[1], join(w[2], w[3])};
    case kTct: return sync_from(w);
    case kDdrPatch:
      return compact ? TxnDdrPatch{w[2], w[3] & 0xFF, join(w[4], w[5])} : TxnDdrPatch{join(w[6], w[7]), w[8], join(w[10], w[11])};
    default: return TxnOther{op, {w.begin() + 1, w.end()}};
  }
}

// The words the typed form alone gives, tail included.
struct Encoder {
  bool compact;
  uint32_t tail;
  using Out = std::vector<uint32_t>;

  Out finish(Out w, std::optional<uint32_t> size_at) const {
    w.resize(w.size() + tail, 0);
    if (size_at) w[*size_at] = static_cast<uint32_t>(4 * w.size());
    return w;
  }
  Out masked(uint32_t op, uint64_t address, uint32_t value, uint32_t mask) const {
    if (compact) return finish({op, low(address), value, mask}, {});
    return finish({op, 0, low(address), high(address), value, mask, 0}, 6);
  }
  Out operator()(const TxnNoop&) const { return finish({kNoop}, {}); }
  Out operator()(const TxnWrite& t) const {
    if (compact) return finish({kWrite, low(t.address), t.value}, {});
    return finish({kWrite, 0, low(t.address), high(t.address), t.value, 0}, 5);
  }
  Out operator()(const TxnBlockWrite& t) const {
    Out w = compact ? Out{kBlockWrite, t.address, 0} : Out{kBlockWrite, 0, t.address, 0};
    const uint32_t size_at = static_cast<uint32_t>(w.size()) - 1;
    w.insert(w.end(), t.data.begin(), t.data.end());
    return finish(std::move(w), size_at);
  }
  Out operator()(const TxnMaskWrite& t) const { return masked(kMaskWrite, t.address, t.value, t.mask); }
  Out operator()(const TxnMaskPoll& t) const { return masked(t.busy ? kMaskPollBusy : kMaskPoll, t.address, t.value, t.mask); }
  Out operator()(const TxnPreempt& t) const { return finish({kPreempt | uint32_t{t.level} << 8}, {}); }
  Out operator()(const TxnLoadPdi& t) const {
    return finish({kLoadPdi | uint32_t{t.pdi_id} << 16, t.size, low(t.address), high(t.address)}, {});
  }
  Out operator()(const TxnSync& t) const {
    return finish({kTct, 0, uint32_t{t.column} << 16 | uint32_t{t.row} << 8 | static_cast<uint32_t>(t.direction),
                   uint32_t{t.channel} << 24 | uint32_t{t.columns} << 16 | uint32_t{t.rows} << 8},
                  1);
  }
  Out operator()(const TxnDdrPatch& t) const {
    if (compact) return finish({kDdrPatch, 0, low(t.address), t.argument & 0xFF, low(t.offset), high(t.offset)}, 1);
    return finish({kDdrPatch, 0, 0, 0, 0, 0, low(t.address), high(t.address), t.argument, 0, low(t.offset), high(t.offset)}, 1);
  }
  Out operator()(const TxnOther& t) const {
    Out w{t.op};
    w.insert(w.end(), t.words.begin(), t.words.end());
    return w;
  }
};

std::vector<uint32_t> encode(const TxnOp& op, bool compact) {
  std::vector<uint32_t> words = std::visit(Encoder{compact, op.tail_words}, op.body);
  for (size_t i = 0; i < std::min(words.size(), op.unusual.size()); ++i) words[i] ^= op.unusual[i];
  return words;
}

// Length in words of the operation that starts at words[0].
Result<uint32_t> op_words(Words words, uint8_t op, const Layout& l, size_t offset) {
  if (l.words > words.size())
    return fail(Errc::format, "instruction stream: op {} at offset {:#x} needs {} bytes, expected at most {}", op, offset,
                4 * l.words, 4 * words.size());
  if (!l.size_at) return l.words;
  const uint32_t size = words[*l.size_at];
  if (size % 4 || size / 4 < l.words || size / 4 > words.size())
    return fail(Errc::format, "instruction stream: size of op {} at offset {:#x} is {}, expected a multiple of 4 from {} to {}", op,
                offset + 4 * *l.size_at, size, 4 * l.words, 4 * words.size());
  return size / 4;
}

Result<TxnOp> read_op(Words words, size_t offset, bool compact, uint32_t* length) {
  const uint8_t op = static_cast<uint8_t>(words[0]);
  const auto l = layout(op, compact);
  if (!l) return fail(Errc::unsupported, "instruction stream: op at offset {:#x} is {}, expected 0, 1, 3 to 13 or 128 to 132", offset, op);
  ONEBIT_ASSIGN(*length, op_words(words, op, *l, offset));
  const Words w = words.first(*length);
  TxnOp out;
  out.body = decode(op, w, l->words, compact);
  out.offset = static_cast<uint32_t>(offset);
  if (!std::holds_alternative<TxnOther>(out.body) && op != kBlockWrite) out.tail_words = *length - l->words;
  std::vector<uint32_t> difference = encode(out, compact);
  for (size_t i = 0; i < w.size(); ++i) difference[i] ^= w[i];
  if (std::any_of(difference.begin(), difference.end(), [](uint32_t d) { return d != 0; })) out.unusual = std::move(difference);
  return out;
}

// The 64-bit address of an operation that has one.
struct AddressOf {
  uint64_t operator()(const TxnWrite& t) const { return t.address; }
  uint64_t operator()(const TxnMaskWrite& t) const { return t.address; }
  uint64_t operator()(const TxnMaskPoll& t) const { return t.address; }
  uint64_t operator()(const TxnDdrPatch& t) const { return t.address; }
  uint64_t operator()(const auto&) const { return 0; }
};

Status check_compact(const TxnOp& op) {
  const uint64_t address = std::visit(AddressOf{}, op.body);
  if (address >> 32)
    return fail(Errc::out_of_range, "compact instruction stream: address of {} is {:#x}, expected below 2^32", op_name(op), address);
  const auto* patch = std::get_if<TxnDdrPatch>(&op.body);
  if (patch && patch->argument > 0xFF)
    return fail(Errc::out_of_range, "compact instruction stream: argument of DDR_PATCH is {}, expected 0 to 255", patch->argument);
  return {};
}

}  // namespace

Transaction make_transaction(const Device& device, bool compact) {
  return {.major = static_cast<uint8_t>(compact ? 1 : 0),
          .minor = static_cast<uint8_t>(compact ? 0 : 1),
          .generation = device.stream_generation,
          .rows = device.rows,
          .columns = device.columns,
          .mem_rows = device.mem_rows,
          .ops = {}};
}

Result<Transaction> read_transaction(Bytes bytes) {
  if (bytes.size() < kTxnHeaderBytes || bytes.size() % 4)
    return fail(Errc::format, "instruction stream: size is {} bytes, expected a multiple of 4 of at least {}", bytes.size(), kTxnHeaderBytes);
  Transaction t{.major = bytes[0], .minor = bytes[1], .generation = bytes[2], .rows = bytes[3], .columns = bytes[4], .mem_rows = bytes[5],
                .padding = static_cast<uint16_t>(bytes[6] | bytes[7] << 8), .ops = {}};
  const uint32_t count = load_u32(bytes.data() + 8), size = load_u32(bytes.data() + 12);
  if (size != bytes.size())
    return fail(Errc::format, "instruction stream: total size at offset 0xc is {}, expected {}", size, bytes.size());
  std::vector<uint32_t> words(bytes.size() / 4);
  for (size_t i = 0; i < words.size(); ++i) words[i] = load_u32(bytes.data() + 4 * i);

  size_t at = kTxnHeaderBytes / 4;
  while (at < words.size()) {
    uint32_t length = 0;
    ONEBIT_ASSIGN(TxnOp op, read_op(Words(words).subspan(at), 4 * at, t.compact(), &length));
    t.ops.push_back(std::move(op));
    at += length;
  }
  if (t.ops.size() != count)
    return fail(Errc::format, "instruction stream: number of ops at offset 0x8 is {}, expected {}", count, t.ops.size());
  return t;
}

Result<std::vector<uint8_t>> write_transaction(const Transaction& t) {
  ByteWriter out;
  for (const uint8_t b : {t.major, t.minor, t.generation, t.rows, t.columns, t.mem_rows}) out.u8(b);
  out.u16(t.padding);
  out.u32(static_cast<uint32_t>(t.ops.size()));
  out.u32(0);  // total size, set below
  for (const TxnOp& op : t.ops) {
    if (t.compact()) ONEBIT_TRY(check_compact(op));
    for (const uint32_t w : encode(op, t.compact())) out.u32(w);
  }
  out.set_u32(12, static_cast<uint32_t>(out.size()));
  return out.take();
}

std::string op_name(const TxnOp& op) {
  struct Visitor {
    std::string operator()(const TxnNoop&) const { return "NOOP"; }
    std::string operator()(const TxnWrite&) const { return "WRITE"; }
    std::string operator()(const TxnBlockWrite&) const { return "BLOCKWRITE"; }
    std::string operator()(const TxnMaskWrite&) const { return "MASKWRITE"; }
    std::string operator()(const TxnMaskPoll& t) const { return t.busy ? "MASKPOLL_BUSY" : "MASKPOLL"; }
    std::string operator()(const TxnPreempt&) const { return "PREEMPT"; }
    std::string operator()(const TxnLoadPdi&) const { return "LOADPDI"; }
    std::string operator()(const TxnSync&) const { return "TCT"; }
    std::string operator()(const TxnDdrPatch&) const { return "DDR_PATCH"; }
    std::string operator()(const TxnOther& t) const { return fmt::format("op {}", t.op); }
  };
  return std::visit(Visitor{}, op.body);
}

}  // namespace onebit::npu
