#include "npu/image/npu_file.h"

#include <cstring>

namespace onebit::npu {
namespace {

bool starts_with_words(Bytes bytes, size_t first, std::initializer_list<uint32_t> words) {
  size_t at = 4 * first;
  for (const uint32_t w : words) {
    if (at + 4 > bytes.size() || load_u32(bytes.data() + at) != w) return false;
    at += 4;
  }
  return true;
}

template <class T>
Result<NpuFile> wrap(Result<T> value) {
  if (!value) return std::unexpected(std::move(value).error());
  return NpuFile(std::move(*value));
}

// PDIs of a partition through their typed form and back.
void rewrite_pdis(AiePartition& partition, std::vector<std::string>& opaque) {
  for (size_t i = 0; i < partition.pdis.size(); ++i) {
    auto pdi = read_pdi(partition.pdis[i].image);
    if (pdi)
      partition.pdis[i].image = write_pdi(*pdi);
    else
      opaque.push_back(fmt::format("PDI {}: {}", i, pdi.error().message));
  }
}

std::vector<uint8_t> rewrite(Xclbin xclbin, std::vector<std::string>& opaque) {
  for (size_t i = 0; i < xclbin.sections.size(); ++i) {
    Section& s = xclbin.sections[i];
    const auto kind = static_cast<uint32_t>(s.kind);
    if (!s.verbatim.empty())
      opaque.push_back(fmt::format("section {} (kind {}, {}): laid out in another way", i, kind, name(s.kind)));
    else if (std::holds_alternative<Opaque>(s.body))
      opaque.push_back(fmt::format("section {} (kind {}, {}): no typed form", i, kind, name(s.kind)));
    else if (auto* partition = std::get_if<AiePartition>(&s.body))
      rewrite_pdis(*partition, opaque);
  }
  return write_xclbin(xclbin);
}

}  // namespace

const char* name(const NpuFile& file) {
  constexpr const char* kNames[] = {"xclbin", "PDI", "CDO", "instruction stream"};
  return kNames[file.index()];
}

Result<NpuFile> read_npu_file(Bytes bytes) {
  if (bytes.size() >= 8 && !std::memcmp(bytes.data(), "xclbin2", 8)) return wrap(read_xclbin(bytes));
  if (starts_with_words(bytes, 0, {kBusWidthWords[0], kBusWidthWords[1]})) return wrap(read_pdi(bytes));
  if (starts_with_words(bytes, 1, {kCdoMagic})) return wrap(read_cdo(bytes));
  if (bytes.size() >= kTxnHeaderBytes && load_u32(bytes.data() + 12) == bytes.size()) return wrap(read_transaction(bytes));
  return fail(Errc::format, "not an xclbin, PDI, CDO or instruction stream: no magic, and the total size of an instruction stream "
                            "at offset 0xc is not {}", bytes.size());
}

Result<std::vector<uint8_t>> write_npu_file(const NpuFile& file, std::vector<std::string>* opaque) {
  std::vector<std::string> ignored;
  std::vector<std::string>& list = opaque ? *opaque : ignored;
  struct Visitor {
    std::vector<std::string>& list;
    Result<std::vector<uint8_t>> operator()(const Xclbin& x) const { return rewrite(x, list); }
    Result<std::vector<uint8_t>> operator()(const Pdi& p) const { return write_pdi(p); }
    Result<std::vector<uint8_t>> operator()(const Cdo& c) const { return write_cdo(c); }
    Result<std::vector<uint8_t>> operator()(const Transaction& t) const { return write_transaction(t); }
  };
  return std::visit(Visitor{list}, file);
}

}  // namespace onebit::npu
