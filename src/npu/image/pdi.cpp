#include "npu/image/pdi.h"

#include <algorithm>
#include <span>

namespace onebit::npu {
namespace {

constexpr size_t kTableOffset = 0x10, kImageOffset = 0x90, kPartitionOffset = 0xD0;

// A word whose value follows from the layout (one image, one partition) or from the CDO.
struct Derived {
  size_t index;
  const char* field;
  uint32_t value;
};

constexpr Derived kTable[] = {
    {image_header_table::image_count, "image count", 1},
    {image_header_table::first_image, "first image header", kImageOffset / 4},
    {image_header_table::partition_count, "partition count", 1},
    {image_header_table::first_partition, "first partition header", kPartitionOffset / 4},
};
constexpr Derived kImage[] = {
    {image_header::first_partition, "first partition header", kPartitionOffset / 4},
    {image_header::section_count, "section count", 1},
};

std::array<Derived, 5> partition_words(uint32_t cdo_words) {
  const uint32_t total = (cdo_words + 3) / 4 * 4;
  return {{{partition_header::encrypted_length, "encrypted length", total},
           {partition_header::unencrypted_length, "unencrypted length", cdo_words},
           {partition_header::total_length, "total length", total},
           {partition_header::data_offset, "data offset", kPdiDataOffset / 4},
           {partition_header::section_count, "section count", 1}}};
}

template <size_t N>
uint32_t checksum(const std::array<uint32_t, N>& words) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < N; ++i) sum += words[i];
  return ~sum;
}

template <size_t N>
void load(std::array<uint32_t, N>& words, Bytes bytes, size_t offset) {
  for (size_t i = 0; i < N; ++i) words[i] = load_u32(bytes.data() + offset + 4 * i);
}

template <size_t N>
Status check_checksum(const std::array<uint32_t, N>& words, const char* what, size_t offset) {
  if (words[N - 1] == checksum(words)) return {};
  return fail(Errc::format, "PDI: checksum of the {} at offset {:#x} is {:#x}, expected {:#x}", what, offset + 4 * (N - 1),
              words[N - 1], checksum(words));
}

Status check_words(std::span<const uint32_t> words, std::span<const Derived> expected, const char* what, size_t offset) {
  for (const Derived& d : expected)
    if (words[d.index] != d.value)
      return fail(Errc::unsupported, "PDI: {} of the {} at offset {:#x} is {}, expected {}", d.field, what,
                  offset + 4 * d.index, words[d.index], d.value);
  return {};
}

void set_words(std::span<uint32_t> words, std::span<const Derived> values) {
  for (const Derived& d : values) words[d.index] = d.value;
}

// Length in bytes of the partition, from its header and the file size.
Result<size_t> partition_bytes(const Pdi& pdi, size_t file_bytes) {
  const uint64_t total = 4 * uint64_t{pdi.partition[partition_header::total_length]};
  if (kPdiDataOffset + total != file_bytes)
    return fail(Errc::format, "PDI: total length of the partition header at offset {:#x} gives {} bytes, expected {}",
                kPartitionOffset + 4 * partition_header::total_length, kPdiDataOffset + total, file_bytes);
  const uint64_t cdo = 4 * uint64_t{pdi.partition[partition_header::unencrypted_length]};
  if (cdo > total)
    return fail(Errc::format, "PDI: unencrypted length of the partition header at offset {:#x} is {} words, expected at most {}",
                kPartitionOffset + 4 * partition_header::unencrypted_length, cdo / 4, total / 4);
  return static_cast<size_t>(cdo);
}

struct Headers {
  decltype(Pdi::table) table;
  decltype(Pdi::image) image;
  decltype(Pdi::partition) partition;
};

// The headers as written around a CDO of this length.
Headers complete(const Pdi& pdi, uint32_t cdo_words) {
  Headers h{pdi.table, pdi.image, pdi.partition};
  set_words(h.table, kTable);
  set_words(h.image, kImage);
  set_words(h.partition, partition_words(cdo_words));
  h.table.back() = checksum(h.table);
  h.image.back() = checksum(h.image);
  h.partition.back() = checksum(h.partition);
  return h;
}

}  // namespace

std::string Pdi::image_name() const {
  ByteWriter text;
  for (size_t i = 0; i < 4; ++i) text.u32(image[image_header::name0 + i]);
  return fixed_text(text.data());
}

Pdi make_pdi(Cdo cdo) {
  namespace t = image_header_table;
  namespace i = image_header;
  namespace p = partition_header;
  Pdi pdi;
  pdi.table[t::version] = 0x00040000;
  pdi.table[t::id_code] = 0x14CA8093;
  pdi.table[t::identification] = 0x50504449;  // "PPDI"
  pdi.table[t::header_sizes] = 0x00201020;    // in words: 0x20, 0x10, 0x20
  pdi.table[t::meta_length] = 0x30;
  pdi.table[t::extended_id] = 1;
  const uint32_t name[] = {0x5F656961, 0x67616D69, 0x65, 0};  // "aie_image"
  std::copy(std::begin(name), std::end(name), pdi.image.begin() + i::name0);
  pdi.image[i::image_id] = 0x1C000000;
  pdi.partition[p::load_low] = pdi.partition[p::load_high] = 0xFFFFFFFF;
  pdi.partition[p::attributes] = 0x02000006;  // type CDO
  pdi.cdo = std::move(cdo);
  const Headers h = complete(pdi, static_cast<uint32_t>(write_cdo(pdi.cdo).size() / 4));
  pdi.table = h.table;
  pdi.image = h.image;
  pdi.partition = h.partition;
  return pdi;
}

Result<Pdi> read_pdi(Bytes bytes) {
  if (bytes.size() < kPdiDataOffset)
    return fail(Errc::format, "PDI: size is {} bytes, expected at least {}", bytes.size(), kPdiDataOffset);
  for (size_t i = 0; i < kBusWidthWords.size(); ++i)
    if (const uint32_t w = load_u32(bytes.data() + 4 * i); w != kBusWidthWords[i])
      return fail(Errc::format, "PDI: bus width word at offset {:#x} is {:#x}, expected {:#x}", 4 * i, w, kBusWidthWords[i]);
  Pdi pdi;
  load(pdi.table, bytes, kTableOffset);
  load(pdi.image, bytes, kImageOffset);
  load(pdi.partition, bytes, kPartitionOffset);
  ONEBIT_TRY(check_checksum(pdi.table, "image header table", kTableOffset));
  ONEBIT_TRY(check_checksum(pdi.image, "image header", kImageOffset));
  ONEBIT_TRY(check_checksum(pdi.partition, "partition header", kPartitionOffset));
  ONEBIT_TRY(check_words(pdi.table, kTable, "image header table", kTableOffset));
  ONEBIT_TRY(check_words(pdi.image, kImage, "image header", kImageOffset));

  ONEBIT_ASSIGN(const size_t cdo_bytes, partition_bytes(pdi, bytes.size()));
  ONEBIT_TRY(check_words(pdi.partition, partition_words(static_cast<uint32_t>(cdo_bytes / 4)), "partition header", kPartitionOffset));
  auto cdo = read_cdo(bytes.subspan(kPdiDataOffset, cdo_bytes));
  if (!cdo) return with_context(std::move(cdo).error(), fmt::format("PDI partition at offset {:#x}", kPdiDataOffset));
  pdi.cdo = std::move(*cdo);
  for (size_t at = kPdiDataOffset + cdo_bytes; at < bytes.size(); at += 4) pdi.padding.push_back(load_u32(bytes.data() + at));
  return pdi;
}

std::vector<uint8_t> write_pdi(const Pdi& pdi) {
  const std::vector<uint8_t> cdo = write_cdo(pdi.cdo);
  const uint32_t cdo_words = static_cast<uint32_t>(cdo.size() / 4);
  const Headers h = complete(pdi, cdo_words);

  ByteWriter out;
  for (const uint32_t w : kBusWidthWords) out.u32(w);
  for (const uint32_t w : h.table) out.u32(w);
  for (const uint32_t w : h.image) out.u32(w);
  for (const uint32_t w : h.partition) out.u32(w);
  out.bytes(cdo);
  for (size_t i = 0; i < (4 - cdo_words % 4) % 4; ++i) out.u32(i < pdi.padding.size() ? pdi.padding[i] : 0);
  return out.take();
}

}  // namespace onebit::npu
