#include "kl_file.h"

#include <cstring>

namespace onebit::cli {
namespace {

struct Header {
  char magic[8];
  uint32_t version, vocab, context, tokens;
};
constexpr char kMagic[8] = {'O', 'N', 'E', 'B', 'I', 'T', 'K', 'L'};
constexpr uint32_t kVersion = 1;

}  // namespace

Result<KlWriter> KlWriter::create(const std::string& path, uint32_t vocab, uint32_t context, std::span<const Token> ids) {
  KlWriter w;
  ONEBIT_ASSIGN(w.out_, OutputFile::create(path));
  Header h{{}, kVersion, vocab, context, static_cast<uint32_t>(ids.size())};
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  ONEBIT_TRY(w.out_.write(&h, sizeof h));
  ONEBIT_TRY(w.out_.write(ids.data(), ids.size_bytes()));
  return w;
}

Status KlWriter::write(std::span<const float> log_probabilities) {
  return out_.write(log_probabilities.data(), log_probabilities.size_bytes());
}

Result<KlReader> KlReader::open(const std::string& path, uint32_t vocab, uint32_t context, std::span<const Token> ids,
                                size_t positions) {
  KlReader r;
  ONEBIT_ASSIGN(r.file_, MappedFile::open(path));
  const auto bytes = r.file_.bytes();
  Header h{};
  if (bytes.size() < sizeof h) return fail(Errc::format, "{}: {} bytes, expected at least {}", path, bytes.size(), sizeof h);
  std::memcpy(&h, bytes.data(), sizeof h);
  if (std::memcmp(h.magic, kMagic, sizeof kMagic) != 0 || h.version != kVersion)
    return fail(Errc::format, "{}: not a file written by --kl-base (version {})", path, kVersion);
  if (h.vocab != vocab) return fail(Errc::format, "{}: vocabulary of {}, this model has {}", path, h.vocab, vocab);
  if (h.context != context) return fail(Errc::format, "{}: windows of {} tokens, expected {}", path, h.context, context);
  const size_t start = sizeof h + ids.size_bytes();
  const size_t size = start + positions * vocab * sizeof(float);
  if (h.tokens != ids.size() || bytes.size() != size)
    return fail(Errc::format, "{}: {} tokens in {} bytes, expected {} tokens in {} bytes", path, h.tokens, bytes.size(),
                ids.size(), size);
  if (std::memcmp(bytes.data() + sizeof h, ids.data(), ids.size_bytes()) != 0)
    return fail(Errc::format, "{}: its token ids are those of another text", path);
  r.rows_ = reinterpret_cast<const float*>(bytes.data() + start);
  r.vocab_ = vocab;
  return r;
}

}  // namespace onebit::cli
