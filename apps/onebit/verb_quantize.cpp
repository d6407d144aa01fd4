// onebit quantize: a model file with its linear layers in another type.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "verb.h"
#include "verb_quantize_plan.h"

namespace onebit::cli {
namespace {

constexpr uint64_t kChunk = uint64_t{1} << 18;  // elements, a multiple of every block

// llama.cpp's numbers (general.file_type), and microsoft/BitNet's for I2_S.
uint32_t file_type(TensorType type) {
  switch (type) {
    case TensorType::f16: return 1;
    case TensorType::bf16: return 32;
    case TensorType::tq1_0: return 36;
    case TensorType::tq2_0: return 37;
    case TensorType::i2_s: return 40;
    default: return 0;
  }
}

class Converter {
 public:
  Converter(const Gguf& in, GgufWriter& writer) : in_(in), writer_(writer) {}

  Status write(const PlannedTensor& p) {
    using Kind = PlannedTensor::Kind;
    switch (p.kind) {
      case Kind::copy: return writer_.write(p.source->data, p.source->size);
      case Kind::scale: return writer_.write(&p.scale, sizeof p.scale);
      case Kind::convert: return each_chunk(p, [&](uint64_t first, uint64_t n) { return convert(p, first, n); });
      case Kind::blocks: return each_chunk(p, [&](uint64_t first, uint64_t n) { return blocks(p, first, n); });
      case Kind::ternary: return each_chunk(p, [&](uint64_t first, uint64_t n) { return ternary(p, first, n); });
    }
    return {};
  }

 private:
  template <class F>
  Status each_chunk(const PlannedTensor& p, F&& fn) {
    const uint64_t elements = p.source->elements();
    for (uint64_t first = 0; first < elements; first += kChunk) ONEBIT_TRY(fn(first, std::min(kChunk, elements - first)));
    in_.release(*p.source);
    return {};
  }

  Status convert(const PlannedTensor& p, uint64_t first, uint64_t n) {
    floats_.resize(n);
    decode(*p.source, p.layout, first, n, floats_.data());
    return write_floats(p, n);
  }

  Status ternary(const PlannedTensor& p, uint64_t first, uint64_t n) {
    codes_.resize(n);
    if (tensor_type_info(p.source->type).ternary) {
      ternary_codes(*p.source, p.layout, first, n, codes_.data());
    } else {
      floats_.resize(n);
      decode(*p.source, p.layout, first, n, floats_.data());
      for (uint64_t i = 0; i < n; ++i)
        codes_[i] = static_cast<uint8_t>(1 + std::clamp(std::nearbyint(floats_[i] / p.divisor), -1.0f, 1.0f));
    }
    if (!tensor_type_info(p.type).ternary) {
      floats_.resize(n);
      for (uint64_t i = 0; i < n; ++i) floats_[i] = static_cast<float>(codes_[i] - 1) * p.scale;
      return write_floats(p, n);
    }
    ONEBIT_ASSIGN(uint64_t bytes, tensor_bytes(p.type, n, 1));
    bytes_.resize(bytes);
    ternary_encode(p.type, codes_.data(), n, 1, p.scale, bytes_.data());
    // Only the last part of an I2_S tensor carries the scale.
    if (p.type == TensorType::i2_s && first + n < p.source->elements()) bytes = n / 4;
    return writer_.write(bytes_.data(), bytes);
  }

  // TQ1_0 <-> TQ2_0 with the scale of every block kept.
  Status blocks(const PlannedTensor& p, uint64_t first, uint64_t n) {
    const uint64_t block = tensor_type_info(p.type).block, bytes = tensor_type_info(p.type).block_bytes;
    const TensorTypeInfo& from = tensor_type_info(p.source->type);
    codes_.resize(n);
    ternary_codes(*p.source, p.layout, first, n, codes_.data());
    bytes_.resize(n / block * bytes);
    for (uint64_t b = 0; b < n / block; ++b) {
      uint16_t d = 0;  // the last two bytes of a block in both types
      std::memcpy(&d, p.source->data + (first / block + b + 1) * from.block_bytes - 2, 2);
      ternary_encode(p.type, codes_.data() + b * block, block, 1, f16_to_f32(d), bytes_.data() + b * bytes);
    }
    return writer_.write(bytes_.data(), bytes_.size());
  }

  Status write_floats(const PlannedTensor& p, uint64_t n) {
    ONEBIT_ASSIGN(const uint64_t bytes, tensor_bytes(p.type, n, 1));
    bytes_.resize(bytes);
    if (const Status s = encode(p.type, floats_.data(), n, bytes_.data()); !s)
      return with_context(s.error(), fmt::format("tensor '{}'", p.name));
    return writer_.write(bytes_.data(), bytes);
  }

  const Gguf& in_;
  GgufWriter& writer_;
  std::vector<float> floats_;
  std::vector<uint8_t> codes_, bytes_;
};

Status convert_file(const std::string& in_path, const std::string& out_path, const QuantizeOptions& options, bool quiet) {
  ONEBIT_ASSIGN(const Gguf in, Gguf::open(in_path));
  auto planned = plan_quantize(in, options);
  if (!planned) return with_context(planned.error(), in_path);
  GgufWriter writer;
  for (const auto& k : in.keys())
    // The output is one file, aligned as usual.
    if (!k.name.starts_with("split.") && k.name != "general.alignment") writer.add_key(k.name, k.value);
  writer.add_key("general.file_type", file_type(options.type));
  writer.add_key("general.quantization_version", uint32_t{2});

  uint64_t total = 0, done = 0, scales = 0;
  for (const auto& p : *planned) {
    const GgufTensor* s = p.source;
    ONEBIT_TRY(writer.add_tensor(p.name, p.type, s ? s->cols() : 1, s ? s->rows() : 1, s ? s->dims : 1));
    total += s ? s->elements() : 1;
    scales += p.kind == PlannedTensor::Kind::scale;
  }
  ONEBIT_TRY(writer.begin(out_path));
  Converter converter(in, writer);
  {
    Progress progress("quantizing", !quiet);
    for (const auto& p : *planned) {
      ONEBIT_TRY(converter.write(p));
      done += p.source ? p.source->elements() : 1;
      progress.update(static_cast<double>(done) / static_cast<double>(total));
    }
  }
  ONEBIT_TRY(writer.finish());
  const auto arch = in.get_string_or("general.architecture", "");
  if (scales && (!arch || *arch == "llama"))
    fmt::print(stderr, "onebit quantize: {} scales do not fit {} exactly and stand beside the weights as 'NAME.scale'; "
               "programs that do not read them for the architecture 'llama' will compute something else\n",
               scales, tensor_type_info(options.type).name);
  return {};
}

Status run(std::span<const char* const> args) {
  std::vector<std::string> rest;
  std::string embeddings, layout = "auto";
  bool absmean = false, quiet = false;
  Flags flags("onebit quantize", "write a model with its linear layers as I2_S, TQ1_0, TQ2_0, F16, BF16 or F32",
              "onebit quantize model-f16.gguf model-i2_s.gguf I2_S");
  flags.positional("IN OUT TYPE", "model to read, file to write, type of the linear layers", &rest, 3);
  flags.toggle("--absmean", "round weights that are not ternary, as BitNet b1.58 does (scale = mean |w|)", &absmean);
  flags.text("--token-embedding-type", "TYPE", "F32, F16, BF16 or Q8_0 for embeddings and output; as they are without it", &embeddings);
  flags.choice("--i2s-layout", "dialect of I2_S input", &layout, {"auto", "128", "64"});
  flags.toggle("--quiet", "no progress bar", &quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (rest.size() != 3) return fail(Errc::usage, "expected IN, OUT and TYPE (see 'onebit quantize --help')");
  QuantizeOptions options;
  const auto type = parse_tensor_type(rest[2]);
  const bool writable = type && (tensor_type_info(*type).ternary || *type == TensorType::f32 || *type == TensorType::f16 || *type == TensorType::bf16);
  if (!writable) return fail(Errc::usage, "type '{}' is not one of I2_S, TQ1_0, TQ2_0, F16, BF16, F32", rest[2]);
  options.type = *type;
  if (!embeddings.empty()) {
    options.embeddings = parse_tensor_type(embeddings);
    const auto e = options.embeddings;
    if (e != TensorType::f32 && e != TensorType::f16 && e != TensorType::bf16 && e != TensorType::q8_0)
      return fail(Errc::usage, "--token-embedding-type: '{}' is not one of F32, F16, BF16, Q8_0", embeddings);
  }
  options.layout = layout == "128" ? I2sLayout::block128 : layout == "64" ? I2sLayout::block64 : I2sLayout::automatic;
  options.absmean = absmean;
  return convert_file(rest[0], rest[1], options, quiet);
}

}  // namespace

const Verb quantize_verb{"quantize", "convert a model's linear layers between float and ternary types", run};

}  // namespace onebit::cli
