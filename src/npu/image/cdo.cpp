#include "npu/image/cdo.h"

#include <algorithm>
#include <optional>
#include <span>

namespace onebit::npu {
namespace {

// Command and module byte. The form with a 64-bit address is five above the other one.
constexpr uint32_t kMaskPoll = 0x101, kMaskWrite = 0x102, kWrite = 0x103, kDmaWrite = 0x105, kNop = 0x111;
constexpr uint32_t kWide = 5;
constexpr uint32_t kCodeMask = 0xFFFF;
constexpr uint32_t kLengthMask = 0x00FF0000;
constexpr unsigned kLengthShift = 16;

using Words = std::span<const uint32_t>;

uint64_t wide_address(Words p) { return uint64_t{p[0]} << 32 | p[1]; }

// The typed form, or nothing where code, length or reserved bits are not the documented ones.
std::optional<CdoCommand> typed(uint32_t header, Words p) {
  if (header & ~(kCodeMask | kLengthMask)) return std::nullopt;
  switch (header & kCodeMask) {
    case kNop:
      if (std::any_of(p.begin(), p.end(), [](uint32_t w) { return w != 0; })) return std::nullopt;
      return CdoCommand{CdoNop{static_cast<uint32_t>(p.size())}};
    case kWrite:
      if (p.size() != 2) return std::nullopt;
      return CdoCommand{CdoWrite{p[0], p[1]}};
    case kWrite + kWide:
      if (p.size() != 3) return std::nullopt;
      return CdoCommand{CdoWrite{wide_address(p), p[2]}, true};
    case kMaskWrite:
      if (p.size() != 3) return std::nullopt;
      return CdoCommand{CdoMaskWrite{p[0], p[1], p[2]}};
    case kMaskWrite + kWide:
      if (p.size() != 4) return std::nullopt;
      return CdoCommand{CdoMaskWrite{wide_address(p), p[2], p[3]}, true};
    case kMaskPoll:
      if (p.size() != 4) return std::nullopt;
      return CdoCommand{CdoMaskPoll{p[0], p[1], p[2], p[3]}};
    case kMaskPoll + kWide:
      if (p.size() != 5) return std::nullopt;
      return CdoCommand{CdoMaskPoll{wide_address(p), p[2], p[3], p[4]}, true};
    case kDmaWrite:
      if (p.size() < 2) return std::nullopt;
      return CdoCommand{CdoDmaWrite{wide_address(p), {p.begin() + 2, p.end()}}};
    default: return std::nullopt;
  }
}

struct Encoded {
  uint32_t header;
  std::vector<uint32_t> payload;
};

Encoded with_address(uint32_t code, bool wide, uint64_t address, std::initializer_list<uint32_t> rest) {
  std::vector<uint32_t> payload;
  wide = wide || address >> 32;
  if (wide) payload.push_back(static_cast<uint32_t>(address >> 32));
  payload.push_back(static_cast<uint32_t>(address));
  payload.insert(payload.end(), rest);
  return {wide ? code + kWide : code, std::move(payload)};
}

Encoded encode(const CdoCommand& c) {
  struct Visitor {
    bool wide;
    Encoded operator()(const CdoNop& n) const { return {kNop, std::vector<uint32_t>(n.words, 0)}; }
    Encoded operator()(const CdoWrite& w) const { return with_address(kWrite, wide, w.address, {w.value}); }
    Encoded operator()(const CdoMaskWrite& w) const { return with_address(kMaskWrite, wide, w.address, {w.mask, w.value}); }
    Encoded operator()(const CdoMaskPoll& p) const {
      return with_address(kMaskPoll, wide, p.address, {p.mask, p.expected, p.timeout_ms});
    }
    Encoded operator()(const CdoDmaWrite& d) const {
      std::vector<uint32_t> payload{static_cast<uint32_t>(d.address >> 32), static_cast<uint32_t>(d.address)};
      payload.insert(payload.end(), d.data.begin(), d.data.end());
      return {kDmaWrite, std::move(payload)};
    }
    Encoded operator()(const CdoOther& o) const { return {o.header & ~kLengthMask, o.payload}; }
  };
  return std::visit(Visitor{c.wide}, c.body);
}

bool needs_long_form(const CdoCommand& c, size_t payload_words) { return c.long_form || payload_words >= kCdoLongLength; }

Status check_header(const std::vector<uint32_t>& w, size_t bytes) {
  if (w[0] != 4) return fail(Errc::format, "CDO: header length at offset 0x0 is {}, expected 4", w[0]);
  if (w[1] != kCdoMagic) return fail(Errc::format, "CDO: magic at offset 0x4 is {:#x}, expected {:#x}", w[1], kCdoMagic);
  if (w[2] != kCdoVersion)
    return fail(Errc::unsupported, "CDO: version at offset 0x8 is {:#x}, expected {:#x}", w[2], kCdoVersion);
  const uint32_t checksum = ~(w[0] + w[1] + w[2] + w[3]);
  if (w[4] != checksum) return fail(Errc::format, "CDO: checksum at offset 0x10 is {:#x}, expected {:#x}", w[4], checksum);
  if (uint64_t{w[3]} + kCdoHeaderWords != bytes / 4)
    return fail(Errc::format, "CDO: body length at offset 0xc is {} words, expected {}", w[3], bytes / 4 - kCdoHeaderWords);
  return {};
}

}  // namespace

Result<Cdo> read_cdo(Bytes bytes) {
  if (bytes.size() < 4 * kCdoHeaderWords || bytes.size() % 4)
    return fail(Errc::format, "CDO: size is {} bytes, expected a multiple of 4 of at least {}", bytes.size(), 4 * kCdoHeaderWords);
  std::vector<uint32_t> words(bytes.size() / 4);
  for (size_t i = 0; i < words.size(); ++i) words[i] = load_u32(bytes.data() + 4 * i);
  ONEBIT_TRY(check_header(words, bytes.size()));

  Cdo cdo;
  size_t at = kCdoHeaderWords;
  while (at < words.size()) {
    const size_t start = at;
    const uint32_t header = words[at++];
    uint64_t length = (header & kLengthMask) >> kLengthShift;
    bool long_form = false;
    if (length == kCdoLongLength) {
      if (at == words.size())
        return fail(Errc::format, "CDO: long length at offset {:#x} is missing, expected one more word", 4 * at);
      length = words[at++];
      long_form = length < kCdoLongLength;
    }
    if (length > words.size() - at)
      return fail(Errc::format, "CDO: payload length of command {:#x} at offset {:#x} is {} words, expected at most {}",
                  header & kCodeMask, 4 * start, length, words.size() - at);
    const Words payload(words.data() + at, length);
    auto command = typed(header, payload);
    if (!command) command = CdoCommand{CdoOther{header & ~kLengthMask, {payload.begin(), payload.end()}}};
    command->long_form = long_form;
    command->offset = static_cast<uint32_t>(4 * start);
    cdo.commands.push_back(std::move(*command));
    at += length;
  }
  return cdo;
}

std::vector<uint8_t> write_cdo(const Cdo& cdo) {
  ByteWriter out;
  out.zeros(4 * kCdoHeaderWords);
  for (const CdoCommand& c : cdo.commands) {
    const Encoded e = encode(c);
    const bool long_form = needs_long_form(c, e.payload.size());
    const uint32_t length = long_form ? kCdoLongLength : static_cast<uint32_t>(e.payload.size());
    out.u32(e.header | length << kLengthShift);
    if (long_form) out.u32(static_cast<uint32_t>(e.payload.size()));
    for (const uint32_t w : e.payload) out.u32(w);
  }
  const uint32_t body = static_cast<uint32_t>(out.size() / 4) - kCdoHeaderWords;
  const uint32_t head[] = {4, kCdoMagic, kCdoVersion, body, ~(4 + kCdoMagic + kCdoVersion + body)};
  for (size_t i = 0; i < kCdoHeaderWords; ++i) out.set_u32(4 * i, head[i]);
  return out.take();
}

void CdoBuilder::add(CdoCommand command) {
  const size_t payload = encode(command).payload.size();
  command.offset = static_cast<uint32_t>(4 * words_);
  words_ += 1 + payload + (needs_long_form(command, payload) ? 1 : 0);
  cdo_.commands.push_back(std::move(command));
}

void CdoBuilder::nop(uint32_t words) { add({CdoNop{words}}); }
void CdoBuilder::write(uint64_t address, uint32_t value) { add({CdoWrite{address, value}}); }
void CdoBuilder::mask_write(uint64_t address, uint32_t mask, uint32_t value) { add({CdoMaskWrite{address, mask, value}}); }

void CdoBuilder::block_write(uint64_t address, std::vector<uint32_t> data) {
  if (data.empty()) return;
  if (data.size() == 1) return write(address, data[0]);
  const uint32_t head = data.size() + 2 >= kCdoLongLength ? 4 : 3;  // words before the data
  if (const uint64_t pad = (4 - (words_ + head) % 4) % 4) nop(static_cast<uint32_t>(pad - 1));
  add({CdoDmaWrite{address, std::move(data)}});
}

std::string command_name(const CdoCommand& c) {
  struct Visitor {
    const char* suffix;
    std::string operator()(const CdoNop&) const { return "NOP"; }
    std::string operator()(const CdoWrite&) const { return fmt::format("WRITE{}", suffix); }
    std::string operator()(const CdoMaskWrite&) const { return fmt::format("MASK_WRITE{}", suffix); }
    std::string operator()(const CdoMaskPoll&) const { return fmt::format("MASK_POLL{}", suffix); }
    std::string operator()(const CdoDmaWrite&) const { return "DMA_WRITE"; }
    std::string operator()(const CdoOther& o) const { return fmt::format("{:#x}", o.header & 0xFFFF); }
  };
  return std::visit(Visitor{c.wide ? "64" : ""}, c.body);
}

}  // namespace onebit::npu
