// GGUF v2 and v3, little endian: read from a mapping (also sharded), written by rename.
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "format/tensor_type.h"

namespace onebit {

// A metadata array; strings as views into the mapping (reader) or owned text (writer's caller).
template <class T>
using GgufArray = std::vector<T>;

using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool, std::string,
                               uint64_t, int64_t, double,
                               GgufArray<uint8_t>, GgufArray<int8_t>, GgufArray<uint16_t>, GgufArray<int16_t>,
                               GgufArray<uint32_t>, GgufArray<int32_t>, GgufArray<float>, GgufArray<bool>,
                               GgufArray<std::string>, GgufArray<uint64_t>, GgufArray<int64_t>, GgufArray<double>>;

struct GgufKey {
  std::string name;
  GgufValue value;
};

// One tensor of a file. Dimensions as GGUF has them: ne[0] is the row length (columns).
struct GgufTensor {
  std::string name;
  TensorType type;
  uint32_t dims;                 // 1..4
  std::array<uint64_t, 4> ne;    // 1 where there is no dimension
  uint64_t size;                 // bytes of data
  uint64_t offset;               // of the data in its file
  uint32_t file;                 // which shard
  const uint8_t* data;           // size bytes inside the mapping

  uint64_t cols() const { return ne[0]; }
  uint64_t rows() const { return ne[1] * ne[2] * ne[3]; }
  uint64_t elements() const { return ne[0] * rows(); }
};

class Gguf {
 public:
  // Reads the header of `path`; a name ending in -00001-of-0000N.gguf opens all N shards. Every count,
  // size and offset is checked against the file before it is used. Errors name file, key or tensor,
  // the value, and what was expected.
  static Result<Gguf> open(const std::string& path);
  // For fuzzing and tests: parses bytes that stay alive as long as the result.
  static Result<Gguf> parse(std::span<const uint8_t> bytes, const std::string& name);

  const std::vector<GgufKey>& keys() const { return keys_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const std::string& path() const { return path_; }
  uint32_t version() const { return version_; }
  uint64_t file_bytes() const;   // all shards

  const GgufValue* find_key(std::string_view name) const;
  const GgufTensor* find_tensor(std::string_view name) const;

  // Typed access. A missing key or a value of another kind is Errc::format, except for the *_or
  // forms, where only a missing key gives the fallback. Integers of any width convert when they fit.
  Result<uint64_t> get_uint(std::string_view key, uint64_t min, uint64_t max) const;
  Result<uint64_t> get_uint_or(std::string_view key, uint64_t min, uint64_t max, uint64_t fallback) const;
  Result<double> get_float_or(std::string_view key, double min, double max, double fallback) const;
  Result<bool> get_bool_or(std::string_view key, bool fallback) const;
  Result<std::string> get_string(std::string_view key) const;
  Result<std::string> get_string_or(std::string_view key, std::string fallback) const;

  // Lets the system drop the pages of a tensor's data (see MappedFile::release).
  void release(const GgufTensor& tensor) const;
  // Copies `bytes` bytes of the tensor's data from byte `first` on without making its pages resident.
  void read(const GgufTensor& tensor, uint64_t first, uint64_t bytes, void* out) const;

 private:
  std::string path_;
  uint32_t version_ = 3;
  std::vector<MappedFile> files_;
  uint64_t parsed_bytes_ = 0;
  std::vector<GgufKey> keys_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string, size_t> key_index_;
  std::unordered_map<std::string, size_t> tensor_index_;

  Status parse_file(std::span<const uint8_t> bytes, const std::string& name, uint32_t file);
};

// Writes a GGUF v3 file (or v2, for tests): keys, then tensors announced with their sizes, then data
// streamed in the announced order. Nothing appears under the final name before finish().
class GgufWriter {
 public:
  explicit GgufWriter(uint32_t version = 3) : version_(version) {}

  void add_key(std::string name, GgufValue value);   // replaces a key of the same name
  // cols x rows; dims gives how many dimensions are written (1 or 2).
  Status add_tensor(std::string name, TensorType type, uint64_t cols, uint64_t rows, uint32_t dims = 2);

  Status begin(const std::string& path);
  // The next bytes of the data of the tensors, in order of add_tensor, each exactly its announced size;
  // padding between tensors is inserted here. May be called many times per tensor.
  Status write(const void* data, uint64_t size);
  Status finish();

 private:
  struct Tensor { std::string name; TensorType type; std::array<uint64_t, 2> ne; uint32_t dims; uint64_t size; uint64_t offset; };
  uint32_t version_;
  std::vector<GgufKey> keys_;
  std::vector<Tensor> tensors_;
  OutputFile out_;
  size_t current_ = 0;
  uint64_t written_ = 0;
  uint64_t data_start_ = 0;
};

}  // namespace onebit
