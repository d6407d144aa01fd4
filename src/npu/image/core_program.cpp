#include "npu/image/core_program.h"

#include <algorithm>
#include <cstring>

namespace onebit::npu {
namespace {

constexpr char kMagic[8] = {'1', 'B', 'I', 'T', 'C', 'O', 'R', 'E'};
constexpr uint8_t kVersion = 1;
constexpr uint32_t kViewFirst = 0x40000, kViewEnd = 0x80000;
constexpr unsigned kCoreViewLocks = 64;
constexpr int kMaxLockStep = 63;
constexpr size_t kMaxNameBytes = 255;

enum class StepCode : uint8_t { acquire, acquire_equal, release, advance, call, loop };
enum class ArgCode : uint8_t { number, parameter, buffer, ring };

uint32_t fnv1a(Bytes bytes) {
  uint32_t h = 0x811C9DC5;
  for (const uint8_t b : bytes) h = (h ^ b) * 0x01000193;
  return h;
}

class Writer {
 public:
  Result<std::vector<uint8_t>> write(const CoreProgram& p) {
    out_.u8(kVersion);
    out_.u8(p.machine_code);
    ONEBIT_TRY(count(p.kernels.size(), "kernels"));
    ONEBIT_TRY(count(p.rings.size(), "rings"));
    for (const std::string& name : p.kernels) {
      if (name.empty() || name.size() > kMaxNameBytes)
        return fail(Errc::out_of_range, "kernel name '{}' has {} bytes, expected 1 to {}", name, name.size(), kMaxNameBytes);
      out_.u8(static_cast<uint8_t>(name.size()));
      out_.text(name);
    }
    for (const CoreRing& ring : p.rings) {
      ONEBIT_TRY(count(ring.addresses.size(), "buffers of a ring"));
      out_.u32(ring.bytes);
      for (const uint32_t a : ring.addresses) out_.u32(a);
    }
    ONEBIT_TRY(steps(p.steps));
    return out_.take();
  }

 private:
  Status count(size_t n, const char* what) {
    if (n > 0xFFFF) return fail(Errc::out_of_range, "core record: {} {}, expected at most 65535", n, what);
    out_.u16(static_cast<uint16_t>(n));
    return {};
  }
  void value(const CoreValue& v) {
    out_.u8(static_cast<uint8_t>(v.parameter ? ArgCode::parameter : ArgCode::number));
    out_.u32(v.parameter ? v.address : static_cast<uint32_t>(v.number));
  }
  void argument(const CoreValue& v) { value(v); }
  void argument(const ArgBuffer& b) {
    out_.u8(static_cast<uint8_t>(ArgCode::buffer));
    out_.u32(b.address);
    out_.u32(b.bytes);
  }
  void argument(const ArgRing& r) {
    out_.u8(static_cast<uint8_t>(ArgCode::ring));
    out_.u16(r.ring);
    out_.u16(r.ahead);
  }
  Status steps(const std::vector<CoreStep>& list) {
    ONEBIT_TRY(count(list.size(), "steps"));
    for (const CoreStep& s : list) ONEBIT_TRY(std::visit([this](const auto& body) { return step(body); }, s.body));
    return {};
  }
  Status step(const StepAcquire& s) {
    out_.u8(static_cast<uint8_t>(s.equal ? StepCode::acquire_equal : StepCode::acquire));
    out_.u8(s.lock);
    out_.u8(static_cast<uint8_t>(s.value));
    return {};
  }
  Status step(const StepRelease& s) {
    out_.u8(static_cast<uint8_t>(StepCode::release));
    out_.u8(s.lock);
    out_.u8(static_cast<uint8_t>(s.value));
    return {};
  }
  Status step(const StepAdvance& s) {
    out_.u8(static_cast<uint8_t>(StepCode::advance));
    out_.u16(s.ring);
    out_.u16(s.by);
    return {};
  }
  Status step(const StepCall& s) {
    out_.u8(static_cast<uint8_t>(StepCode::call));
    out_.u16(s.kernel);
    ONEBIT_TRY(count(s.arguments.size(), "arguments of a call"));
    for (const CoreArgument& a : s.arguments) std::visit([this](const auto& body) { argument(body); }, a);
    return {};
  }
  Status step(const StepLoop& s) {
    out_.u8(static_cast<uint8_t>(StepCode::loop));
    value(s.count);
    return steps(s.body);
  }

  ByteWriter out_;
};

class Reader {
 public:
  explicit Reader(Bytes record) : in_(record, "core record") {}

  Result<CoreProgram> read() {
    CoreProgram p;
    ONEBIT_ASSIGN(const uint8_t version, u8("version"));
    if (version != kVersion) return fail(Errc::unsupported, "core record: version is {}, expected {}", version, kVersion);
    ONEBIT_ASSIGN(const uint8_t flags, u8("flags"));
    if (flags > 1) return fail(Errc::format, "core record: flags are {:#x}, expected 0 or 1", flags);
    p.machine_code = flags & 1;
    ONEBIT_ASSIGN(const uint16_t kernels, u16("kernel count"));
    ONEBIT_ASSIGN(const uint16_t rings, u16("ring count"));
    for (unsigned i = 0; i < kernels; ++i) {
      ONEBIT_ASSIGN(const uint8_t length, u8("kernel name length"));
      ONEBIT_ASSIGN(const Bytes text, in_.slice(at_, length, "kernel name"));
      at_ += length;
      if (length == 0) return fail(Errc::format, "core record: kernel {} has an empty name", i);
      p.kernels.emplace_back(text.begin(), text.end());
    }
    for (unsigned i = 0; i < rings; ++i) {
      CoreRing ring;
      ONEBIT_ASSIGN(const uint16_t n, u16("buffer count"));
      ONEBIT_ASSIGN(ring.bytes, u32("buffer bytes"));
      if (n == 0) return fail(Errc::format, "core record: ring {} has no buffer", i);
      for (unsigned b = 0; b < n; ++b) {
        ONEBIT_ASSIGN(const uint32_t address, u32("buffer address"));
        ONEBIT_TRY(check_range(address, ring.bytes));
        ring.addresses.push_back(address);
      }
      p.rings.push_back(std::move(ring));
    }
    kernels_ = p.kernels.size();
    rings_ = p.rings.size();
    ONEBIT_ASSIGN(p.steps, steps(0));
    for (; at_ < in_.size(); ++at_) {
      ONEBIT_ASSIGN(const uint8_t pad, in_.u8(at_, "padding"));
      if (pad) return fail(Errc::format, "core record: byte {:#x} after the last step is {:#x}, expected 0", at_, pad);
    }
    return p;
  }

 private:
  Result<uint8_t> u8(const char* field) { return in_.u8(std::exchange(at_, at_ + 1), field); }
  Result<uint16_t> u16(const char* field) { return in_.u16(std::exchange(at_, at_ + 2), field); }
  Result<uint32_t> u32(const char* field) { return in_.u32(std::exchange(at_, at_ + 4), field); }

  static Status check_range(uint32_t address, uint32_t bytes) {
    if (address < kViewFirst || address >= kViewEnd || address % 4 || bytes > kViewEnd - address)
      return fail(Errc::format, "core record: buffer of {} bytes at {:#x}, expected 4-byte aligned within {:#x} to {:#x}", bytes, address,
                  kViewFirst, kViewEnd);
    return {};
  }
  Result<uint16_t> ring_index() {
    ONEBIT_ASSIGN(const uint16_t ring, u16("ring"));
    if (ring >= rings_) return fail(Errc::format, "core record: ring {}, expected below {}", ring, rings_);
    return ring;
  }
  Result<CoreValue> value(ArgCode code) {
    ONEBIT_ASSIGN(const uint32_t word, u32("value"));
    if (code == ArgCode::number) return CoreValue{false, static_cast<int32_t>(word), 0};
    ONEBIT_TRY(check_range(word, 4));
    return CoreValue{true, 0, word};
  }
  Result<CoreArgument> argument() {
    ONEBIT_ASSIGN(const uint8_t code, u8("argument kind"));
    switch (static_cast<ArgCode>(code)) {
      case ArgCode::number:
      case ArgCode::parameter: {
        ONEBIT_ASSIGN(const CoreValue v, value(static_cast<ArgCode>(code)));
        return v;
      }
      case ArgCode::buffer: {
        ArgBuffer b;
        ONEBIT_ASSIGN(b.address, u32("buffer address"));
        ONEBIT_ASSIGN(b.bytes, u32("buffer bytes"));
        ONEBIT_TRY(check_range(b.address, b.bytes));
        return b;
      }
      case ArgCode::ring: {
        ArgRing r;
        ONEBIT_ASSIGN(r.ring, ring_index());
        ONEBIT_ASSIGN(r.ahead, u16("ring place"));
        return r;
      }
    }
    return fail(Errc::format, "core record: argument kind {}, expected 0 to 3", code);
  }
  template <class Step>
  Result<CoreStep> lock_step(bool equal) {
    Step s;
    ONEBIT_ASSIGN(s.lock, u8("lock"));
    ONEBIT_ASSIGN(const uint8_t raw, u8("lock value"));
    s.value = static_cast<int8_t>(raw);
    if (s.lock >= kCoreViewLocks) return fail(Errc::format, "core record: lock {}, expected below {}", s.lock, kCoreViewLocks);
    if (s.value < 0 || s.value > kMaxLockStep)
      return fail(Errc::format, "core record: lock value {}, expected 0 to {}", s.value, kMaxLockStep);
    if constexpr (std::is_same_v<Step, StepAcquire>) s.equal = equal;
    return CoreStep{s};
  }
  Result<CoreStep> step(unsigned depth) {
    ONEBIT_ASSIGN(const uint8_t code, u8("step"));
    switch (static_cast<StepCode>(code)) {
      case StepCode::acquire: return lock_step<StepAcquire>(false);
      case StepCode::acquire_equal: return lock_step<StepAcquire>(true);
      case StepCode::release: return lock_step<StepRelease>(false);
      case StepCode::advance: {
        StepAdvance s;
        ONEBIT_ASSIGN(s.ring, ring_index());
        ONEBIT_ASSIGN(s.by, u16("advance"));
        return CoreStep{s};
      }
      case StepCode::call: {
        StepCall s;
        ONEBIT_ASSIGN(s.kernel, u16("kernel"));
        if (s.kernel >= kernels_)
          return fail(Errc::format, "core record: kernel {}, expected below {}", s.kernel, kernels_);
        ONEBIT_ASSIGN(const uint16_t n, u16("argument count"));
        for (unsigned i = 0; i < n; ++i) {
          ONEBIT_ASSIGN(auto a, argument());
          s.arguments.push_back(a);
        }
        return CoreStep{std::move(s)};
      }
      case StepCode::loop: {
        if (depth >= kMaxLoopDepth) return fail(Errc::format, "core record: loops nest deeper than {}", kMaxLoopDepth);
        StepLoop s;
        ONEBIT_ASSIGN(const uint8_t kind, u8("loop count kind"));
        if (kind > 1) return fail(Errc::format, "core record: loop count kind {}, expected 0 or 1", kind);
        ONEBIT_ASSIGN(s.count, value(static_cast<ArgCode>(kind)));
        ONEBIT_ASSIGN(s.body, steps(depth + 1));
        return CoreStep{std::move(s)};
      }
    }
    return fail(Errc::format, "core record: step kind {}, expected 0 to 5", code);
  }
  Result<std::vector<CoreStep>> steps(unsigned depth) {
    ONEBIT_ASSIGN(const uint16_t n, u16("step count"));
    std::vector<CoreStep> list;
    for (unsigned i = 0; i < n; ++i) {
      ONEBIT_ASSIGN(auto s, step(depth));
      list.push_back(std::move(s));
    }
    return list;
  }

  ByteReader in_;
  uint64_t at_ = 0;
  size_t kernels_ = 0, rings_ = 0;  // of the program read so far
};

std::string value_text(const CoreValue& v) {
  return v.parameter ? fmt::format("[{:#x}]", v.address) : fmt::format("{}", v.number);
}

class Printer {
 public:
  explicit Printer(const CoreProgram& p) : program_(p) {}
  void steps(const std::vector<CoreStep>& list, unsigned depth) {
    for (const CoreStep& s : list) {
      text.append(2 * depth, ' ');
      std::visit([this, depth](const auto& body) { step(body, depth); }, s.body);
    }
  }
  std::string text;

 private:
  void step(const StepAcquire& s, unsigned) { text += fmt::format("acquire lock {} {} {}\n", s.lock, s.equal ? "==" : ">=", s.value); }
  void step(const StepRelease& s, unsigned) { text += fmt::format("release lock {} += {}\n", s.lock, s.value); }
  void step(const StepAdvance& s, unsigned) { text += fmt::format("advance ring {} by {}\n", s.ring, s.by); }
  void step(const StepCall& s, unsigned) {
    text += program_.kernels[s.kernel] + "(";
    for (size_t i = 0; i < s.arguments.size(); ++i) {
      if (i) text += ", ";
      if (const auto* v = std::get_if<CoreValue>(&s.arguments[i])) text += value_text(*v);
      if (const auto* b = std::get_if<ArgBuffer>(&s.arguments[i])) text += fmt::format("{:#x}:{}", b->address, b->bytes);
      if (const auto* r = std::get_if<ArgRing>(&s.arguments[i])) text += fmt::format("ring {}+{}", r->ring, r->ahead);
    }
    text += ")\n";
  }
  void step(const StepLoop& s, unsigned depth) {
    text += !s.count.parameter && s.count.number < 0 ? "loop for ever\n" : fmt::format("loop {} times\n", value_text(s.count));
    steps(s.body, depth + 1);
  }
  const CoreProgram& program_;
};

}  // namespace

Result<std::vector<uint8_t>> write_core_record(const CoreProgram& program) {
  ONEBIT_ASSIGN(std::vector<uint8_t> record, Writer().write(program));
  ByteWriter out;
  out.bytes(record);
  out.align(16);
  const uint32_t checksum = fnv1a(out.data()), size = static_cast<uint32_t>(out.size());
  out.text({kMagic, sizeof kMagic});
  out.u32(size);
  out.u32(checksum);
  return out.take();
}

Result<std::optional<CoreProgram>> read_core_record(Bytes memory) {
  if (memory.size() < kCoreTrailerBytes) return std::nullopt;
  const Bytes trailer = memory.last(kCoreTrailerBytes);
  if (std::memcmp(trailer.data(), kMagic, sizeof kMagic) != 0) return std::nullopt;
  const uint32_t size = load_u32(&trailer[8]), checksum = load_u32(&trailer[12]);
  if (size > memory.size() - kCoreTrailerBytes)
    return fail(Errc::format, "core record: {} bytes, expected at most {}", size, memory.size() - kCoreTrailerBytes);
  const Bytes record = memory.subspan(memory.size() - kCoreTrailerBytes - size, size);
  if (const uint32_t sum = fnv1a(record); sum != checksum)
    return fail(Errc::format, "core record: checksum is {:#010x}, expected {:#010x}", checksum, sum);
  ONEBIT_ASSIGN(CoreProgram program, Reader(record).read());
  return program;
}

std::string to_text(const CoreProgram& program) {
  Printer printer(program);
  printer.steps(program.steps, 0);
  return std::move(printer.text);
}

}  // namespace onebit::npu
