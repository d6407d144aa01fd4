#include "checkpoint.h"
#include "format/codec.h"
#include "format/gguf.h"

namespace onebit::train {
namespace {

void add_model_keys(GgufWriter& out, const std::string& name, const Config& c) {
  const std::string arch = "bitnet-b1.58";
  const auto u32 = [](int32_t v) { return static_cast<uint32_t>(v); };
  out.add_key("general.architecture", arch);
  out.add_key("general.name", name);
  out.add_key("general.license", std::string("cc0-1.0"));
  out.add_key("general.file_type", uint32_t{40});  // mostly I2_S
  out.add_key("general.quantization_version", uint32_t{2});
  out.add_key(arch + ".vocab_size", u32(c.vocab));
  out.add_key(arch + ".context_length", u32(c.context));
  out.add_key(arch + ".embedding_length", u32(c.dim));
  out.add_key(arch + ".block_count", u32(c.layers));
  out.add_key(arch + ".feed_forward_length", u32(c.ffn));
  out.add_key(arch + ".rope.dimension_count", u32(c.head_dim()));
  out.add_key(arch + ".rope.freq_base", c.rope_base);
  out.add_key(arch + ".attention.head_count", u32(c.heads));
  out.add_key(arch + ".attention.head_count_kv", u32(c.kv_heads));
  out.add_key(arch + ".attention.layer_norm_rms_epsilon", c.eps);
}

void add_tokenizer_keys(GgufWriter& out, const Bpe& bpe) {
  constexpr int32_t kNormal = 1, kControl = 3;
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  for (Token t = 0; t < bpe.size(); ++t) {
    tokens.push_back(bpe.spelling(t));
    types.push_back(t >= bpe.bos() ? kControl : kNormal);
  }
  for (const auto& [a, b] : bpe.merges()) merges.push_back(bpe.spelling(a) + " " + bpe.spelling(b));
  out.add_key("tokenizer.ggml.model", std::string("gpt2"));
  out.add_key("tokenizer.ggml.pre", std::string("gpt-2"));
  out.add_key("tokenizer.ggml.tokens", std::move(tokens));
  out.add_key("tokenizer.ggml.token_type", std::move(types));
  out.add_key("tokenizer.ggml.merges", std::move(merges));
  out.add_key("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(bpe.bos()));
  out.add_key("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(bpe.eos()));
  out.add_key("tokenizer.ggml.add_bos_token", true);
  out.add_key("tokenizer.ggml.add_eos_token", false);
}

TensorType file_type(const Tensor& t) {
  return t.kind == Tensor::linear ? TensorType::i2_s : t.kind == Tensor::embedding ? TensorType::f16 : TensorType::f32;
}

Status write_tensor(GgufWriter& out, const Model& model, size_t index) {
  const Tensor& t = model.tensors()[index];
  const TensorType type = file_type(t);
  ONEBIT_ASSIGN(const uint64_t size, tensor_bytes(type, t.cols, t.rows));
  std::vector<uint8_t> bytes(size);
  if (t.kind == Tensor::linear) {
    std::vector<uint8_t> codes(t.size());
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(model.codes[t.offset + i] + 1);
    ternary_encode(type, codes.data(), t.cols, t.rows, model.scales[index], bytes.data());
  } else {
    ONEBIT_TRY(encode(type, &model.parameters[t.offset], t.size(), bytes.data()));
  }
  return out.write(bytes.data(), bytes.size());
}

}  // namespace

Status export_gguf(const std::string& path, const std::string& name, const Checkpoint& checkpoint) {
  const Model& model = checkpoint.model;
  GgufWriter out;
  add_model_keys(out, name, model.config());
  add_tokenizer_keys(out, checkpoint.bpe);
  for (const auto& t : model.tensors())
    ONEBIT_TRY(out.add_tensor(t.name, file_type(t), t.cols, t.rows, t.kind == Tensor::norm ? 1 : 2));
  ONEBIT_TRY(out.begin(path));
  for (size_t i = 0; i < model.tensors().size(); ++i) ONEBIT_TRY(write_tensor(out, model, i));
  return out.finish();
}

}  // namespace onebit::train
