// Hand-made GGUF bytes for tests, written without the code under test.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace onebit::test {

class Bytes {
 public:
  template <class T>
  Bytes& put(T v) {
    const size_t at = data_.size();
    data_.resize(at + sizeof v);
    std::memcpy(data_.data() + at, &v, sizeof v);
    return *this;
  }
  Bytes& text(std::string_view s) {
    put<uint64_t>(s.size());
    data_.insert(data_.end(), s.begin(), s.end());
    return *this;
  }
  Bytes& header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    return put<uint32_t>(0x46554747).put(version).put(tensors).put(keys);
  }
  // A key of type `type`; the value follows.
  Bytes& key(std::string_view name, uint32_t type) { return text(name).put(type); }
  Bytes& tensor(std::string_view name, std::vector<uint64_t> ne, uint32_t type, uint64_t offset) {
    text(name).put(static_cast<uint32_t>(ne.size()));
    for (const uint64_t n : ne) put(n);
    return put(type).put(offset);
  }
  Bytes& pad(size_t alignment = 32) {
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  Bytes& zeros(size_t n) {
    data_.resize(data_.size() + n);
    return *this;
  }
  std::vector<uint8_t>& bytes() { return data_; }

 private:
  std::vector<uint8_t> data_;
};

// Two keys, a string array, three tensors: small and complete.
inline std::vector<uint8_t> small_gguf() {
  Bytes b;
  b.header(3, 4);
  b.key("general.architecture", 8).text("bitnet");
  b.key("bitnet.block_count", 4).put<uint32_t>(2);
  b.key("tokenizer.ggml.tokens", 9).put<uint32_t>(8).put<uint64_t>(3).text("a").text("").text("\xc4\xa0");
  b.key("tokenizer.ggml.add_bos_token", 7).put<uint8_t>(1);
  b.tensor("norm", {8}, 0, 0);
  b.tensor("linear", {256, 1}, 36, 32);
  b.tensor("tq", {256, 2}, 35, 128);
  b.pad();
  for (int i = 0; i < 8; ++i) b.put(static_cast<float>(i));
  b.zeros(64).put(0.5f).zeros(28);
  b.zeros(132);
  return b.bytes();
}

}  // namespace onebit::test
