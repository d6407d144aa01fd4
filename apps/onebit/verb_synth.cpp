// onebit synth: a GGUF file of a named shape with random ternary weights. A weight is a function of the
// seed, the tensor's name and the element, so files of every type hold the same values.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "format/codec.h"
#include "model/named_shapes.h"
#include "verb.h"
#include "verb_synth_vocab.h"

namespace onebit::cli {
namespace {

using Shape = NamedShape;

// Codes come from 4 random bits each: -1, 0 and +1 with 5, 6 and 5 chances in 16.
constexpr double kNonZero = 10.0 / 16;
constexpr uint64_t kChunk = uint64_t{1} << 20;  // elements made and written at a time

// SplitMix64 (Steele, Lea, Flood 2014): the n-th value of a stream without the ones before.
uint64_t random_word(uint64_t stream, uint64_t n) {
  uint64_t z = stream + (n + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

uint64_t stream_of(uint64_t seed, const std::string& name) {
  uint64_t h = random_word(seed, 0);
  for (const char c : name) h = random_word(h ^ static_cast<uint8_t>(c), 0);
  return h;
}

// About normal with deviation 1: four uniform 16-bit numbers, exact in integers, one rounding at the end.
float random_normal(uint64_t stream, uint64_t n) {
  const uint64_t w = random_word(stream, n);
  const auto sum = static_cast<int32_t>((w & 0xffff) + (w >> 16 & 0xffff) + (w >> 32 & 0xffff) + (w >> 48)) - 2 * 65535;
  constexpr float kUnit = 1.0f / 37837.2f;  // deviation of the sum: 65536 * sqrt(4 / 12)
  return static_cast<float>(sum) * kUnit;
}

// Two codes for each byte of random bits.
constexpr std::array<uint16_t, 256> kCodePairs = [] {
  std::array<uint16_t, 256> t{};
  const auto code = [](unsigned nibble) { return nibble < 5 ? 0u : nibble < 11 ? 1u : 2u; };
  for (unsigned b = 0; b < 256; ++b) t[b] = static_cast<uint16_t>(code(b & 15) | code(b >> 4) << 8);
  return t;
}();

// Codes of elements [first, first + count), first a multiple of 16; `codes` has room for a multiple of 16.
void random_codes(uint64_t stream, uint64_t first, uint64_t count, uint8_t* codes) {
  for (uint64_t i = 0; i < count; i += 16) {
    const uint64_t w = random_word(stream, (first + i) / 16);
    for (unsigned b = 0; b < 8; ++b) {
      const uint16_t pair = kCodePairs[w >> (8 * b) & 255];
      std::memcpy(codes + i + 2 * b, &pair, 2);
    }
  }
}

// A scale that F16 and BF16 both hold exactly, so that every output type has the same weights.
float exact_scale(double wanted) { return bf16_to_f32(f32_to_bf16(static_cast<float>(wanted))); }

class Synth {
 public:
  Synth(Shape shape, std::string arch, TensorType type, TensorType embd_type, uint64_t seed)
      : s_(shape), arch_(std::move(arch)), type_(type), embd_type_(embd_type), seed_(seed) {}

  Status write(const std::string& path) {
    add_keys();
    ONEBIT_TRY(add_tensors());
    uint64_t total = 0, done = 0;
    for (const auto& t : tensors_) total += t.cols * t.rows;
    Progress progress("writing");
    ONEBIT_TRY(writer_.begin(path));
    for (const auto& t : tensors_) {
      const uint64_t elements = t.cols * t.rows;
      for (uint64_t first = 0; first < elements; first += kChunk) {
        ONEBIT_TRY(write_part(t, first, std::min(kChunk, elements - first)));
        progress.update(static_cast<double>(done + first) / static_cast<double>(total));
      }
      done += elements;
    }
    return writer_.finish();
  }

 private:
  enum class Kind { embedding, norm, linear };
  struct Tensor {
    std::string name;
    Kind kind;
    TensorType type;
    uint64_t cols, rows;
    uint64_t stream;
    float scale;       // of the ternary values (linear), the deviation (embedding)
  };

  bool sub_norms() const { return arch_ != "llama"; }

  Status add(std::string name, Kind kind, TensorType type, uint64_t cols, uint64_t rows, float scale) {
    ONEBIT_TRY(writer_.add_tensor(name, type, cols, rows, kind == Kind::norm ? 1 : 2));
    const uint64_t stream = stream_of(seed_, name);
    tensors_.push_back({std::move(name), kind, type, cols, rows, stream, scale});
    return {};
  }

  // A linear layer whose output has deviation `gain` for inputs of deviation 1.
  Status add_linear(std::string name, uint64_t cols, uint64_t rows, double gain) {
    return add(std::move(name), Kind::linear, type_, cols, rows,
               exact_scale(gain / std::sqrt(static_cast<double>(cols) * kNonZero)));
  }

  Status add_norm(std::string name, uint64_t width) {
    return add(std::move(name), Kind::norm, TensorType::f32, width, 1, 0);
  }

  Status add_tensors() {
    const uint64_t hidden = s_.hidden, q = uint64_t{s_.heads} * s_.head_size, kv = uint64_t{s_.kv_heads} * s_.head_size;
    // Logits are inner products of a normalised state with an embedding: deviation 1.25.
    const double embd = 1.25 / std::sqrt(static_cast<double>(hidden));
    // The first layer brings the residual stream to deviation 5, the others together add 2 to it: like that of a
    // trained model, the stream then hardly depends on the last bit of an activation, however many layers there
    // are. An embedding that stood out of it would, through a tied head, make every token predict itself.
    const auto branch = [this](uint32_t layer) { return layer == 0 ? 5 / std::sqrt(2.0) : 2 / std::sqrt(2.0 * (s_.layers - 1)); };
    ONEBIT_TRY(add("token_embd.weight", Kind::embedding, embd_type_, hidden, s_.vocab, static_cast<float>(embd)));
    for (uint32_t i = 0; i < s_.layers; ++i) {
      const std::string blk = fmt::format("blk.{}.", i);
      ONEBIT_TRY(add_norm(blk + "attn_norm.weight", hidden));
      ONEBIT_TRY(add_linear(blk + "attn_q.weight", hidden, q, 1.5));
      ONEBIT_TRY(add_linear(blk + "attn_k.weight", hidden, kv, 1.5));
      ONEBIT_TRY(add_linear(blk + "attn_v.weight", hidden, kv, 1));
      if (sub_norms()) ONEBIT_TRY(add_norm(blk + "attn_sub_norm.weight", q));
      ONEBIT_TRY(add_linear(blk + "attn_output.weight", q, hidden, branch(i)));
      ONEBIT_TRY(add_norm(blk + "ffn_norm.weight", hidden));
      ONEBIT_TRY(add_linear(blk + "ffn_gate.weight", hidden, s_.ffn, 1));
      ONEBIT_TRY(add_linear(blk + "ffn_up.weight", hidden, s_.ffn, 1));
      if (sub_norms()) ONEBIT_TRY(add_norm(blk + "ffn_sub_norm.weight", s_.ffn));
      ONEBIT_TRY(add_linear(blk + "ffn_down.weight", s_.ffn, hidden, branch(i)));
    }
    ONEBIT_TRY(add_norm("output_norm.weight", hidden));
    if (s_.own_output && !sub_norms())
      ONEBIT_TRY(add("output.weight", Kind::embedding, embd_type_, hidden, s_.vocab, static_cast<float>(embd)));
    return {};
  }

  void add_keys() {
    const auto file_type = [this]() -> uint32_t {  // llama.cpp's numbers, and microsoft/BitNet's for I2_S
      switch (type_) {
        case TensorType::f16: return 1;
        case TensorType::bf16: return 32;
        case TensorType::tq1_0: return 36;
        case TensorType::tq2_0: return 37;
        case TensorType::i2_s: return 40;
        default: return 0;
      }
    };
    writer_.add_key("general.architecture", arch_);
    writer_.add_key("general.name", fmt::format("{} (synthetic, seed {})", s_.name, seed_));
    const auto key = [this](const char* name, GgufValue v) { writer_.add_key(arch_ + "." + name, std::move(v)); };
    key("vocab_size", s_.vocab);
    key("context_length", s_.context);
    key("embedding_length", s_.hidden);
    key("block_count", s_.layers);
    key("feed_forward_length", s_.ffn);
    key("rope.dimension_count", s_.head_size);
    key("rope.freq_base", s_.rope_base);
    key("attention.head_count", s_.heads);
    key("attention.head_count_kv", s_.kv_heads);
    key("attention.key_length", s_.head_size);
    key("attention.value_length", s_.head_size);
    key("attention.layer_norm_rms_epsilon", 1e-5f);
    writer_.add_key("general.file_type", file_type());
    writer_.add_key("general.quantization_version", uint32_t{2});
    if (s_.spm)
      add_spm_vocab(writer_, s_.vocab);
    else
      add_bpe_vocab(writer_, s_.vocab, s_.pre);
  }

  Status write_part(const Tensor& t, uint64_t first, uint64_t count) {
    if (t.kind == Kind::linear) return write_codes(t, first, count);
    floats_.resize(count);
    for (uint64_t i = 0; i < count; ++i) {
      const float x = random_normal(t.stream, first + i);
      // Embeddings are rounded to F16 for every type. Norm weights lie around 1.
      floats_[i] = t.kind == Kind::norm ? 1.0f + 0.1f * x : f16_to_f32(f32_to_f16(x * t.scale));
    }
    return write_floats(t.type, count);
  }

  Status write_codes(const Tensor& t, uint64_t first, uint64_t count) {
    codes_.resize(count + 16);
    random_codes(t.stream, first, count, codes_.data());
    if (tensor_type_info(t.type).ternary) {
      ONEBIT_ASSIGN(uint64_t bytes, tensor_bytes(t.type, count, 1));
      bytes_.resize(bytes);
      ternary_encode(t.type, codes_.data(), count, 1, t.scale, bytes_.data());
      // Only the last part of an I2_S tensor carries the scale.
      if (t.type == TensorType::i2_s && first + count < t.cols * t.rows) bytes = count / 4;
      return writer_.write(bytes_.data(), bytes);
    }
    floats_.resize(count);
    for (uint64_t i = 0; i < count; ++i) floats_[i] = static_cast<float>(codes_[i] - 1) * t.scale;
    return write_floats(t.type, count);
  }

  Status write_floats(TensorType type, uint64_t count) {
    ONEBIT_ASSIGN(const uint64_t bytes, tensor_bytes(type, count, 1));
    bytes_.resize(bytes);
    ONEBIT_TRY(encode(type, floats_.data(), count, bytes_.data()));
    return writer_.write(bytes_.data(), bytes);
  }

  Shape s_;
  std::string arch_;
  TensorType type_, embd_type_;
  uint64_t seed_;
  GgufWriter writer_;
  std::vector<Tensor> tensors_;
  std::vector<uint8_t> codes_, bytes_;
  std::vector<float> floats_;
};

Status run(std::span<const char* const> args) {
  std::vector<std::string> paths;
  std::string arch = "auto", type = "I2_S", embd_type = "F16";
  int64_t seed = 1, layers = 0, vocab = 0, context = 0;
  Flags flags("onebit synth", "write a model file of a named shape with random ternary weights",
              "onebit synth bitnet-2b-4t 2b.gguf --type I2_S");
  flags.positional("SHAPE OUT", "bitnet-2b-4t, bitnet-0.7b, bitnet-3b, falcon3-10b, llama3-8b or tiny; file to write",
                   &paths, 2);
  flags.choice("--arch", "architecture (auto: that of the shape)", &arch, {"auto", "bitnet-b1.58", "bitnet", "llama"});
  flags.choice("--type", "type of the linear layers", &type, {"F32", "F16", "BF16", "TQ1_0", "TQ2_0", "I2_S"});
  flags.choice("--embd-type", "type of the embeddings", &embd_type, {"F32", "F16", "BF16", "Q8_0"});
  flags.integer("-s,--seed", "the same seed gives the same weights in every type", &seed, 0, INT64_MAX);
  flags.integer("--layers", "number of layers (0: that of the shape)", &layers, 0, 1000);
  flags.integer("--vocab", "number of tokens (0: that of the shape)", &vocab, 0, kMaxSynthVocab);
  flags.integer("--ctx", "context length (0: that of the shape)", &context, 0, 1 << 20);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (paths.size() != 2) return fail(Errc::usage, "expected SHAPE and OUT (see 'onebit synth --help')");
  const Shape* shape = find_shape(paths[0]);
  if (!shape)
    return fail(Errc::usage, "shape '{}' is not one of {}", paths[0], kShapeNames);
  if (vocab && vocab < kMinSynthVocab)
    return fail(Errc::usage, "--vocab: {}, expected 0 or {} to {}", vocab, kMinSynthVocab, kMaxSynthVocab);
  Shape s = *shape;
  if (layers) s.layers = static_cast<uint32_t>(layers);
  if (vocab) s.vocab = static_cast<uint32_t>(vocab);
  if (context) s.context = static_cast<uint32_t>(context);
  return Synth(s, arch == "auto" ? s.arch : arch, *parse_tensor_type(type), *parse_tensor_type(embd_type),
               static_cast<uint64_t>(seed))
      .write(paths[1]);
}

}  // namespace

const Verb synth_verb{"synth", "write a model of a named shape with random ternary weights", run};

}  // namespace onebit::cli
