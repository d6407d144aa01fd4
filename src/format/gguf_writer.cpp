#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "format/gguf.h"

namespace onebit {
namespace {

// The order of the variant's alternatives as value types of the specification; arrays follow in the same order.
constexpr uint32_t kScalarTypes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12};
constexpr size_t kScalars = std::size(kScalarTypes);
constexpr uint32_t kArray = 9;
constexpr uint64_t kDefaultAlignment = 32;

template <class T>
void put(std::string& out, T v) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &v, sizeof(T));
  out.append(bytes, sizeof(T));
}

void put(std::string& out, bool v) { out += v ? '\1' : '\0'; }

void put(std::string& out, const std::string& text) {
  put(out, static_cast<uint64_t>(text.size()));
  out += text;
}

template <class T>
void put(std::string& out, const std::vector<T>& values) {
  put(out, static_cast<uint64_t>(values.size()));
  for (const auto& v : values) put(out, static_cast<T>(v));
}

void put_value(std::string& out, const GgufValue& value) {
  const size_t kind = value.index();
  put(out, kind < kScalars ? kScalarTypes[kind] : kArray);
  if (kind >= kScalars) put(out, kScalarTypes[kind - kScalars]);
  std::visit([&](const auto& v) { put(out, v); }, value);
}

uint64_t alignment_of(const std::vector<GgufKey>& keys) {
  for (const auto& k : keys)
    if (const auto* v = std::get_if<uint32_t>(&k.value); v && k.name == "general.alignment") return *v;
  return kDefaultAlignment;
}

}  // namespace

void GgufWriter::add_key(std::string name, GgufValue value) {
  for (auto& k : keys_)
    if (k.name == name) {
      k.value = std::move(value);
      return;
    }
  keys_.push_back({std::move(name), std::move(value)});
}

Status GgufWriter::add_tensor(std::string name, TensorType type, uint64_t cols, uint64_t rows, uint32_t dims) {
  const auto bytes = tensor_bytes(type, cols, rows);
  if (!bytes) return with_context(bytes.error(), fmt::format("tensor '{}'", name));
  tensors_.push_back({std::move(name), type, {cols, rows}, dims, *bytes, 0});
  return {};
}

Status GgufWriter::begin(const std::string& path) {
  const uint64_t alignment = alignment_of(keys_);
  std::string head = "GGUF";
  put(head, version_);
  put(head, static_cast<uint64_t>(tensors_.size()));
  put(head, static_cast<uint64_t>(keys_.size()));
  for (const auto& k : keys_) {
    put(head, k.name);
    put_value(head, k.value);
  }
  uint64_t offset = 0;
  for (auto& t : tensors_) {
    t.offset = offset;
    const auto end = checked_add(offset, t.size);
    const auto next = end ? checked_round_up(*end, alignment) : std::nullopt;
    if (!next) return fail(Errc::out_of_range, "{}: tensor '{}' ends beyond 64 bits", path, t.name);
    offset = *next;
    put(head, t.name);
    put(head, t.dims);
    for (uint32_t d = 0; d < t.dims; ++d) put(head, d < 2 ? t.ne[d] : uint64_t{1});
    put(head, static_cast<uint32_t>(t.type));
    put(head, t.offset);
  }
  head.resize(round_up<uint64_t>(head.size(), alignment));
  data_start_ = head.size();
  current_ = 0;
  written_ = 0;
  ONEBIT_ASSIGN(out_, OutputFile::create(path));
  return out_.write(head);
}

Status GgufWriter::write(const void* data, uint64_t size) {
  const char* p = static_cast<const char*>(data);
  while (size > 0) {
    if (current_ >= tensors_.size())
      return fail(Errc::out_of_range, "{} bytes of data are left after the last tensor", size);
    const Tensor& t = tensors_[current_];
    if (written_ == 0) {
      const std::string padding(data_start_ + t.offset - out_.position(), '\0');
      ONEBIT_TRY(out_.write(padding));
    }
    const uint64_t part = std::min(size, t.size - written_);
    ONEBIT_TRY(out_.write(p, part));
    p += part;
    size -= part;
    written_ += part;
    if (written_ == t.size) {
      ++current_;
      written_ = 0;
    }
  }
  return {};
}

Status GgufWriter::finish() {
  if (current_ != tensors_.size())
    return fail(Errc::out_of_range, "tensor '{}': {} of {} bytes were written", tensors_[current_].name, written_,
                tensors_[current_].size);
  // Readers of other projects expect the padding after the last tensor too.
  const uint64_t end = out_.position();
  const std::string padding(round_up(end, alignment_of(keys_)) - end, '\0');
  ONEBIT_TRY(out_.write(padding));
  return out_.commit();
}

}  // namespace onebit
