#include "checkpoint.h"

#include <cstring>

#include "base/file.h"

namespace onebit::train {
namespace {

// The file: Header, merges (pairs of int32), parameters (f32); little endian.
struct Header {
  char magic[8];
  Config config;
  int32_t merges;
};
constexpr char kMagic[8] = {'1', 'b', 't', 'r', 'a', 'i', 'n', '1'};

bool plausible(const Header& h) {
  const auto within = [](int32_t v, int32_t max) { return v >= 1 && v <= max; };
  const Config& c = h.config;
  return std::memcmp(h.magic, kMagic, sizeof kMagic) == 0 && within(c.vocab, 1 << 16) && within(c.dim, 1 << 13) &&
         within(c.layers, 256) && within(c.heads, 256) && within(c.kv_heads, 256) && within(c.ffn, 1 << 15) &&
         within(c.context, 1 << 16) && c.dim % c.heads == 0 && c.heads % c.kv_heads == 0 && h.merges >= 0 &&
         h.merges + 258 == c.vocab && c.rope_base >= 1 && c.eps > 0;
}

}  // namespace

Status save_checkpoint(const std::string& path, const Bpe& bpe, const Model& model) {
  ONEBIT_ASSIGN(auto out, OutputFile::create(path));
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.config = model.config();
  header.merges = static_cast<int32_t>(bpe.merges().size());
  ONEBIT_TRY(out.write(&header, sizeof header));
  for (const auto& [a, b] : bpe.merges()) {
    const int32_t pair[2] = {a, b};
    ONEBIT_TRY(out.write(pair, sizeof pair));
  }
  ONEBIT_TRY(out.write(model.parameters.data(), model.size() * sizeof(float)));
  return out.commit();
}

Result<Checkpoint> load_checkpoint(const std::string& path) {
  ONEBIT_ASSIGN(const auto file, MappedFile::open(path));
  const auto bytes = file.bytes();
  Header header{};
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (!plausible(header)) return fail(Errc::format, "{}: not a checkpoint of onebit-train", path);

  std::vector<Bpe::Merge> merges(header.merges);
  Model model(header.config, Quantise::on);
  const size_t merge_bytes = merges.size() * 2 * sizeof(int32_t), weight_bytes = model.size() * sizeof(float);
  if (bytes.size() != sizeof header + merge_bytes + weight_bytes)
    return fail(Errc::format, "{}: {} bytes, expected {}", path, bytes.size(),
                sizeof header + merge_bytes + weight_bytes);
  const uint8_t* at = bytes.data() + sizeof header;
  for (size_t i = 0; i < merges.size(); ++i, at += 2 * sizeof(int32_t)) {
    int32_t pair[2];
    std::memcpy(pair, at, sizeof pair);
    const auto known = [&](int32_t t) { return t >= 0 && static_cast<size_t>(t) < 256 + i; };
    if (!known(pair[0]) || !known(pair[1]))
      return fail(Errc::format, "{}: merge {} joins tokens {} and {}, which do not both exist", path, i, pair[0],
                  pair[1]);
    merges[i] = {pair[0], pair[1]};
  }
  std::memcpy(model.parameters.data(), at, weight_bytes);
  const auto& embedding = model.tensors().front();
  for (size_t i = 0; i < embedding.size(); ++i)
    model.parameters[i] = static_cast<float>(static_cast<_Float16>(model.parameters[i]));
  model.update_codes();
  return Checkpoint{Bpe(std::move(merges)), std::move(model)};
}

}  // namespace onebit::train
