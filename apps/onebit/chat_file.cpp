#include "chat_file.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

namespace onebit::cli {
namespace {

constexpr char kMagic[12] = {'o', 'n', 'e', 'b', 'i', 't', ' ', 'c', 'h', 'a', 't', '\0'};
constexpr size_t kHeader = sizeof kMagic + 4 + 8 + 4 + 4;
constexpr size_t kMaxBytes = kHeader + 4 * kMaxChatIds + 4;

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    table[i] = c;
  }
  return table;
}();

template <class T>
void put(std::vector<uint8_t>& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

template <class T>
T get(const uint8_t* p) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(p[i]) << (8 * i);
  return value;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Status not_regular(const std::string& path) {
  return fail(Errc::io, "{}: not a regular file (symbolic links are not followed)", path);
}

std::string errno_text() { return std::strerror(errno); }

}  // namespace

uint32_t crc32(std::span<const uint8_t> bytes) {
  uint32_t c = 0xffffffffu;
  for (const uint8_t b : bytes) c = kCrcTable[(c ^ b) & 255] ^ c >> 8;
  return ~c;
}

std::vector<uint8_t> encode_chat(const ChatFile& chat) {
  std::vector<uint8_t> out(kMagic, kMagic + sizeof kMagic);
  put(out, kChatFileVersion);
  put(out, chat.model);
  put(out, chat.style);
  put(out, static_cast<uint32_t>(chat.ids.size()));
  for (const int32_t id : chat.ids) put(out, static_cast<uint32_t>(id));
  put(out, crc32(out));
  return out;
}

Result<ChatFile> decode_chat(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeader + 4 || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
    return fail(Errc::format, "not a saved conversation");
  const uint8_t* p = bytes.data() + sizeof kMagic;
  const auto version = get<uint32_t>(p);
  if (version != kChatFileVersion) return fail(Errc::unsupported, "version {}, expected {}", version, kChatFileVersion);
  ChatFile chat;
  chat.model = get<uint64_t>(p + 4);
  chat.style = get<uint32_t>(p + 12);
  const auto count = get<uint32_t>(p + 16);
  if (count > kMaxChatIds || bytes.size() != kHeader + size_t{4} * count + 4)
    return fail(Errc::format, "{} bytes do not hold the {} tokens announced", bytes.size(), count);
  const auto stored = get<uint32_t>(bytes.data() + bytes.size() - 4);
  const uint32_t actual = crc32(bytes.first(bytes.size() - 4));
  if (stored != actual) return fail(Errc::format, "checksum {:08x}, expected {:08x}: the file is damaged", actual, stored);
  chat.ids.resize(count);
  for (size_t i = 0; i < count; ++i) chat.ids[i] = static_cast<int32_t>(get<uint32_t>(bytes.data() + kHeader + 4 * i));
  return chat;
}

Status save_chat(const std::string& path, const ChatFile& chat) {
  if (chat.ids.size() > kMaxChatIds) return fail(Errc::out_of_range, "{} tokens, at most {}", chat.ids.size(), kMaxChatIds);
  struct stat info{};
  for (const std::string& p : {path, path + ".partial"})
    if (::lstat(p.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) return not_regular(p);
  const std::vector<uint8_t> bytes = encode_chat(chat);
  ONEBIT_ASSIGN(OutputFile file, OutputFile::create(path));
  ONEBIT_TRY(file.write(bytes.data(), bytes.size()));
  return file.commit();
}

Result<ChatFile> load_chat(const std::string& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd.get() < 0) {
    if (errno == ELOOP) return std::unexpected(not_regular(path).error());
    return fail(Errc::io, "{}: cannot open: {}", path, errno_text());
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail(Errc::io, "{}: cannot read: {}", path, errno_text());
  if (!S_ISREG(info.st_mode)) return std::unexpected(not_regular(path).error());
  if (info.st_size < 0 || static_cast<uint64_t>(info.st_size) > kMaxBytes)
    return fail(Errc::format, "{}: {} bytes, a saved conversation has at most {}", path, info.st_size, kMaxBytes);
  std::vector<uint8_t> bytes(static_cast<size_t>(info.st_size));
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::read(fd.get(), bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Errc::io, "{}: cannot read byte {} of {}", path, at, bytes.size());
    at += static_cast<size_t>(n);
  }
  auto chat = decode_chat(bytes);
  if (!chat) return with_context(chat.error(), path);
  return chat;
}

}  // namespace onebit::cli
