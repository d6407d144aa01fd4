// Hashes of token texts and symbol pairs. Seeded per process: both come from files, and nobody should
// be able to prepare one whose entries all collide.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

namespace onebit {

inline uint64_t hash_seed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device() | 1;
  }();
  return seed;
}

inline uint64_t hash_mix(uint64_t h, uint64_t word) {
  const auto product = static_cast<unsigned __int128>(h ^ word) * 0x9E3779B97F4A7C15;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_text(uint64_t seed, std::string_view s) {
  uint64_t h = seed + s.size();
  size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, s.data() + i, 8);
    h = hash_mix(h, word);
  }
  uint64_t word = 0;
  if (i < s.size()) std::memcpy(&word, s.data() + i, s.size() - i);
  return hash_mix(hash_mix(h, word), seed);
}

inline uint64_t hash_word(uint64_t seed, uint64_t word) { return hash_mix(hash_mix(seed, word), seed); }

}  // namespace onebit
