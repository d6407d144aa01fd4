// A saved conversation: the token ids, and which model and format they belong to.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace onebit::cli {

// Little endian: "onebit chat\0" (12 bytes), u32 version, u64 model, u32 style, u32 count,
// i32 ids[count], u32 CRC-32 of everything before it.
struct ChatFile {
  uint64_t model = 0;  // fingerprint of the model; ids mean nothing to another one
  uint32_t style = 0;  // ChatStyle
  std::vector<int32_t> ids;
};

inline constexpr uint32_t kChatFileVersion = 1;
inline constexpr size_t kMaxChatIds = size_t{1} << 24;

// CRC-32 of IEEE 802.3 (reflected 0xedb88320).
uint32_t crc32(std::span<const uint8_t> bytes);

std::vector<uint8_t> encode_chat(const ChatFile& chat);
// Errors name the field, what it holds and what was expected.
Result<ChatFile> decode_chat(std::span<const uint8_t> bytes);

// Whole or not at all; a path that is a symbolic link or no regular file is refused, for both.
Status save_chat(const std::string& path, const ChatFile& chat);
Result<ChatFile> load_chat(const std::string& path);

}  // namespace onebit::cli
