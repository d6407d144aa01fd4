#include "format/gguf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/checked.h"
#include "format/gguf_read.h"

namespace onebit {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF values are read in place as little endian");

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 65536;
constexpr uint64_t kMaxShards = 99999;  // five digits in the name

// The value as an unsigned integer, whatever its width; nullopt for other kinds and negative numbers.
std::optional<uint64_t> as_uint(const GgufValue& value) {
  return std::visit(
      [](const auto& v) -> std::optional<uint64_t> {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
          if constexpr (std::is_signed_v<T>)
            if (v < 0) return std::nullopt;
          return static_cast<uint64_t>(v);
        }
        return std::nullopt;
      },
      value);
}

std::string describe(const GgufValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>)
          return fmt::format("the text '{}'", gguf_printable(v));
        else if constexpr (std::is_arithmetic_v<T>)
          return fmt::format("{}", v);
        else
          return fmt::format("an array of {}", v.size());
      },
      value);
}

struct Header {
  uint32_t version;
  uint64_t tensors;
  uint64_t keys;
};

Result<Header> read_header(GgufCursor& in) {
  uint32_t magic = 0;
  Header h{};
  if (!in.read(&magic)) return fail(Errc::format, "{} bytes long, too short for a GGUF file", in.left());
  if (magic != kMagic) return fail(Errc::format, "not a GGUF file: it starts with bytes {:08x}, expected 'GGUF'", std::byteswap(magic));
  if (!in.read(&h.version) || !in.read(&h.tensors) || !in.read(&h.keys))
    return fail(Errc::format, "the file ends inside the header of 24 bytes");
  if (h.version == std::byteswap(3u)) return fail(Errc::unsupported, "a big-endian GGUF file, expected little endian");
  if (h.version != 2 && h.version != 3) return fail(Errc::unsupported, "GGUF version {}, expected 2 or 3", h.version);
  // The smallest key is a 1-byte name and a 1-byte value, the smallest tensor a 1-byte name and one dimension.
  constexpr uint64_t kMinKey = 8 + 1 + 4 + 1, kMinTensor = 8 + 1 + 4 + 8 + 4 + 8;
  if (h.keys > in.left() / kMinKey)
    return fail(Errc::format, "key count {} does not fit in the {} bytes that follow", h.keys, in.left());
  if (h.tensors > in.left() / kMinTensor)
    return fail(Errc::format, "tensor count {} does not fit in the {} bytes that follow", h.tensors, in.left());
  return h;
}

// Data of tensors [first, end) of one file: inside the file, aligned, no two sharing bytes.
Status place_tensors(std::vector<GgufTensor>& tensors, size_t first, std::span<const uint8_t> bytes, uint64_t header_end,
                     uint64_t alignment) {
  if (first == tensors.size()) return {};
  const auto start = checked_round_up(header_end, alignment);
  std::vector<const GgufTensor*> order;
  for (size_t i = first; i < tensors.size(); ++i) {
    GgufTensor& t = tensors[i];
    if (t.offset % alignment)
      return fail(Errc::format, "tensor '{}': offset {} is not a multiple of the alignment {}", gguf_printable(t.name), t.offset, alignment);
    const auto begin = start ? checked_add(*start, t.offset) : std::nullopt;
    const auto end = begin ? checked_add(*begin, t.size) : std::nullopt;
    if (!end || *end > bytes.size())
      return fail(Errc::format, "tensor '{}': {} bytes at offset {} of the data reach beyond the end of the file ({} bytes)",
                  gguf_printable(t.name), t.size, t.offset, bytes.size());
    t.offset = *begin;
    t.data = bytes.data() + *begin;
    order.push_back(&t);
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->offset + order[i - 1]->size > order[i]->offset)
      return fail(Errc::format, "tensors '{}' and '{}' share bytes of the file", gguf_printable(order[i - 1]->name),
                  gguf_printable(order[i]->name));
  return {};
}

// model-00001-of-00003.gguf
struct ShardName {
  std::string stem;
  uint64_t index = 0;
  uint64_t count = 0;
  std::string path(uint64_t i) const { return fmt::format("{}-{:05}-of-{:05}.gguf", stem, i, count); }
};

std::optional<uint64_t> five_digits(std::string_view text) {
  uint64_t v = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    v = v * 10 + static_cast<uint64_t>(c - '0');
  }
  return v;
}

std::optional<ShardName> parse_shard_name(std::string_view path) {
  constexpr std::string_view kPattern = "-00001-of-00001.gguf";
  if (path.size() < kPattern.size()) return std::nullopt;
  const std::string_view tail = path.substr(path.size() - kPattern.size());
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf") return std::nullopt;
  const auto index = five_digits(tail.substr(1, 5)), count = five_digits(tail.substr(10, 5));
  if (!index || !count) return std::nullopt;
  return ShardName{std::string(path.substr(0, path.size() - kPattern.size())), *index, *count};
}

const GgufValue* find_in(const std::vector<GgufKey>& keys, std::string_view name) {
  for (const auto& k : keys)
    if (k.name == name) return &k.value;
  return nullptr;
}

// A split.* key, when present, must say `expected`.
Status check_split(const std::vector<GgufKey>& keys, const char* name, uint64_t expected) {
  const GgufValue* v = find_in(keys, name);
  if (!v || as_uint(*v) == expected) return {};
  return fail(Errc::format, "key '{}': {}, expected {}", name, describe(*v), expected);
}

Result<uint64_t> alignment_of(const std::vector<GgufKey>& keys) {
  const GgufValue* v = find_in(keys, "general.alignment");
  if (!v) return kDefaultAlignment;
  const auto a = as_uint(*v);
  if (!a || *a < 8 || *a > kMaxAlignment || !std::has_single_bit(*a))
    return fail(Errc::out_of_range, "key 'general.alignment': {}, expected a power of two from 8 to {}", describe(*v), kMaxAlignment);
  return *a;
}

}  // namespace

Status Gguf::parse_file(std::span<const uint8_t> bytes, const std::string& name, uint32_t file) {
  const auto parse = [&]() -> Status {
    GgufCursor in(bytes);
    ONEBIT_ASSIGN(const Header header, read_header(in));
    std::vector<GgufKey> keys;
    std::unordered_map<std::string, size_t> index;
    for (uint64_t i = 0; i < header.keys; ++i) {
      ONEBIT_ASSIGN(GgufKey key, read_gguf_key(in, i));
      if (!index.emplace(key.name, i).second)
        return fail(Errc::format, "key '{}' occurs twice", gguf_printable(key.name));
      keys.push_back(std::move(key));
    }
    const size_t first = tensors_.size();
    for (uint64_t i = 0; i < header.tensors; ++i) {
      ONEBIT_ASSIGN(GgufTensor tensor, read_gguf_tensor(in, i));
      tensor.file = file;
      if (!tensor_index_.emplace(tensor.name, tensors_.size()).second)
        return fail(Errc::format, "tensor '{}' occurs twice", gguf_printable(tensor.name));
      tensors_.push_back(std::move(tensor));
    }
    ONEBIT_ASSIGN(const uint64_t alignment, alignment_of(keys));
    ONEBIT_TRY(place_tensors(tensors_, first, bytes, in.position(), alignment));
    ONEBIT_TRY(check_split(keys, "split.no", file));
    if (file == 0) {
      version_ = header.version;
      keys_ = std::move(keys);
      key_index_ = std::move(index);
    } else if (const GgufValue* count = find_key("split.count")) {
      ONEBIT_TRY(check_split(keys, "split.count", as_uint(*count).value_or(0)));
    }
    return {};
  };
  parsed_bytes_ += bytes.size();
  const Status status = parse();
  if (!status) return with_context(status.error(), name);
  return {};
}

Result<Gguf> Gguf::parse(std::span<const uint8_t> bytes, const std::string& name) {
  Gguf g;
  g.path_ = name;
  ONEBIT_TRY(g.parse_file(bytes, name, 0));
  return g;
}

Result<Gguf> Gguf::open(const std::string& path) {
  const auto shard = parse_shard_name(path);
  const uint64_t count = shard ? shard->count : 1;
  if (shard && (shard->index != 1 || count < 1 || count > kMaxShards))
    return fail(Errc::usage, "{}: shard {} of {}, expected the first shard ({})", path, shard->index, count, shard->path(1));
  Gguf g;
  g.path_ = path;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string file = shard ? shard->path(i + 1) : path;
    auto mapped = MappedFile::open(file);
    if (!mapped && i > 0) return with_context(mapped.error(), fmt::format("{}: shard {} of {}", path, i + 1, count));
    if (!mapped) return std::unexpected(mapped.error());
    ONEBIT_TRY(g.parse_file(mapped->bytes(), file, static_cast<uint32_t>(i)));
    g.files_.push_back(std::move(*mapped));
  }
  const auto checked = [&]() -> Status {
    if (const GgufValue* v = g.find_key("split.count"); v && as_uint(*v) != count && !(count == 1 && as_uint(*v) == 0))
      return fail(Errc::format, "key 'split.count': {}, but the file name says {}", describe(*v), count);
    return check_split(g.keys_, "split.tensors.count", g.tensors_.size());
  };
  if (const Status s = checked(); !s) return with_context(s.error(), path);
  return g;
}

uint64_t Gguf::file_bytes() const { return parsed_bytes_; }

const GgufValue* Gguf::find_key(std::string_view name) const {
  const auto it = key_index_.find(std::string(name));
  return it == key_index_.end() ? nullptr : &keys_[it->second].value;
}

const GgufTensor* Gguf::find_tensor(std::string_view name) const {
  const auto it = tensor_index_.find(std::string(name));
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

Result<uint64_t> Gguf::get_uint(std::string_view key, uint64_t min, uint64_t max) const {
  const GgufValue* v = find_key(key);
  if (!v) return fail(Errc::format, "{}: key '{}' is missing", path_, key);
  const auto n = as_uint(*v);
  if (!n || *n < min || *n > max)
    return fail(n ? Errc::out_of_range : Errc::format, "{}: key '{}' is {}, expected an integer from {} to {}", path_,
                key, describe(*v), min, max);
  return *n;
}

Result<uint64_t> Gguf::get_uint_or(std::string_view key, uint64_t min, uint64_t max, uint64_t fallback) const {
  if (!find_key(key)) return fallback;
  return get_uint(key, min, max);
}

Result<double> Gguf::get_float_or(std::string_view key, double min, double max, double fallback) const {
  const GgufValue* v = find_key(key);
  if (!v) return fallback;
  const float* single = std::get_if<float>(v);
  const double* wide = std::get_if<double>(v);
  const double x = single ? *single : wide ? *wide : std::nan("");
  if (!(x >= min && x <= max))  // also refuses NaN
    return fail(single || wide ? Errc::out_of_range : Errc::format, "{}: key '{}' is {}, expected a number from {} to {}",
                path_, key, describe(*v), min, max);
  return x;
}

Result<bool> Gguf::get_bool_or(std::string_view key, bool fallback) const {
  const GgufValue* v = find_key(key);
  if (!v) return fallback;
  if (const bool* b = std::get_if<bool>(v)) return *b;
  return fail(Errc::format, "{}: key '{}' is {}, expected a boolean", path_, key, describe(*v));
}

Result<std::string> Gguf::get_string(std::string_view key) const {
  const GgufValue* v = find_key(key);
  if (!v) return fail(Errc::format, "{}: key '{}' is missing", path_, key);
  if (const auto* s = std::get_if<std::string>(v)) return *s;
  return fail(Errc::format, "{}: key '{}' is {}, expected text", path_, key, describe(*v));
}

Result<std::string> Gguf::get_string_or(std::string_view key, std::string fallback) const {
  if (!find_key(key)) return fallback;
  return get_string(key);
}

void Gguf::release(const GgufTensor& tensor) const {
  if (tensor.file < files_.size()) files_[tensor.file].release(tensor.offset, tensor.size);
}

void Gguf::read(const GgufTensor& tensor, uint64_t first, uint64_t bytes, void* out) const {
  if (tensor.file < files_.size() && files_[tensor.file].read(tensor.offset + first, bytes, out)) return;
  std::memcpy(out, tensor.data + first, bytes);
}

}  // namespace onebit
