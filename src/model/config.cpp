#include "model/config.h"

namespace onebit {
namespace {

struct ArchRow {
  const char* name;
  Arch arch;
  bool neox, sub_norms;
  cpu::Gate gate;
};

// The llama converter permutes q and k for interleaved pairs; the BitNet ones do not.
constexpr ArchRow kArchs[] = {
    {"bitnet-b1.58", Arch::bitnet_b158, true, true, cpu::Gate::relu2},
    {"bitnet-25", Arch::bitnet_b158, true, true, cpu::Gate::relu2},
    {"bitnet", Arch::bitnet, true, true, cpu::Gate::silu},
    {"llama", Arch::llama, false, false, cpu::Gate::silu},
};

Status read_sizes(const Gguf& gguf, ModelConfig& c) {
  const std::string p = c.arch_name + ".";
  const auto read = [&](const char* key, uint64_t min, uint64_t max, uint32_t& out) -> Status {
    ONEBIT_ASSIGN(const uint64_t v, gguf.get_uint(p + key, min, max));
    out = static_cast<uint32_t>(v);
    return {};
  };
  const auto read_or = [&](const char* key, uint64_t min, uint64_t max, uint32_t fallback, uint32_t& out) -> Status {
    ONEBIT_ASSIGN(const uint64_t v, gguf.get_uint_or(p + key, min, max, fallback));
    out = static_cast<uint32_t>(v);
    return {};
  };
  ONEBIT_TRY(read("block_count", 1, 1024, c.layers));
  ONEBIT_TRY(read("embedding_length", 2, 65536, c.dim));
  ONEBIT_TRY(read("attention.head_count", 1, 1024, c.heads));
  ONEBIT_TRY(read_or("attention.head_count_kv", 1, c.heads, c.heads, c.kv_heads));
  ONEBIT_TRY(read("feed_forward_length", 1, 262144, c.ffn));
  ONEBIT_TRY(read("context_length", 1, 1u << 24, c.context));
  if (c.heads % c.kv_heads)
    return fail(Errc::format, "{}attention.head_count_kv: {} does not divide the {} heads", p, c.kv_heads, c.heads);
  if (!gguf.find_key(p + "attention.key_length") && c.dim % c.heads)
    return fail(Errc::format, "{}attention.head_count: {} does not divide embedding_length {}", p, c.heads, c.dim);
  ONEBIT_TRY(read_or("attention.key_length", 2, 256, c.dim / c.heads, c.head_dim));
  if (c.head_dim < 2 || c.head_dim > 256 || c.head_dim % 2)
    return fail(Errc::unsupported, "{}: head size {} is not an even number from 2 to 256", p, c.head_dim);
  ONEBIT_ASSIGN(const uint64_t value_length, gguf.get_uint_or(p + "attention.value_length", 1, 65536, c.head_dim));
  if (value_length != c.head_dim)
    return fail(Errc::unsupported, "{}attention.value_length: {} differs from the key length {}", p, value_length,
                c.head_dim);
  ONEBIT_TRY(read_or("rope.dimension_count", 2, c.head_dim, c.head_dim, c.rope_dim));
  if (c.rope_dim % 2) return fail(Errc::format, "{}rope.dimension_count: {} is odd", p, c.rope_dim);
  return {};
}

Status read_floats(const Gguf& gguf, ModelConfig& c) {
  const std::string p = c.arch_name + ".";
  ONEBIT_ASSIGN(const double eps, gguf.get_float_or(p + "attention.layer_norm_rms_epsilon", 1e-12, 1, 1e-5));
  c.norm_eps = static_cast<float>(eps);
  ONEBIT_ASSIGN(const double theta, gguf.get_float_or(p + "rope.freq_base", 1, 1e9, 10000));
  c.rope_theta = static_cast<float>(theta);
  ONEBIT_ASSIGN(const std::string scaling, gguf.get_string_or(p + "rope.scaling.type", "none"));
  if (scaling != "none" && scaling != "linear")
    return fail(Errc::unsupported, "{}rope.scaling.type: '{}' is not supported, expected none or linear", p, scaling);
  // Older files spell the linear factor rope.scale_linear.
  ONEBIT_ASSIGN(const double legacy, gguf.get_float_or(p + "rope.scale_linear", 1, 1024, 1));
  ONEBIT_ASSIGN(const double factor, gguf.get_float_or(p + "rope.scaling.factor", 1, 1024, legacy));
  c.rope_scale = scaling == "linear" || legacy != 1 ? static_cast<float>(1 / factor) : 1.0f;
  return {};
}

}  // namespace

Result<ModelConfig> ModelConfig::read(const Gguf& gguf) {
  ModelConfig c{};
  ONEBIT_ASSIGN(c.arch_name, gguf.get_string("general.architecture"));
  const ArchRow* row = nullptr;
  for (const auto& r : kArchs)
    if (c.arch_name == r.name) row = &r;
  if (!row)
    return fail(Errc::unsupported,
                "{}: general.architecture '{}' is not supported, expected bitnet-b1.58, bitnet-25, bitnet or llama",
                gguf.path(), c.arch_name);
  c.arch = row->arch;
  c.rope_neox = row->neox;
  c.sub_norms = row->sub_norms;
  c.gate = row->gate;
  ONEBIT_ASSIGN(c.name, gguf.get_string_or("general.name", ""));
  if (auto s = read_sizes(gguf, c); !s) return with_context(s.error(), gguf.path());
  if (auto s = read_floats(gguf, c); !s) return with_context(s.error(), gguf.path());

  const GgufTensor* embedding = gguf.find_tensor("token_embd.weight");
  if (!embedding) return fail(Errc::format, "{}: tensor token_embd.weight is missing", gguf.path());
  if (embedding->cols() != c.dim || embedding->rows() > (1u << 24))
    return fail(Errc::format, "{}: token_embd.weight is {} x {}, expected {} x (1..{})", gguf.path(), embedding->cols(),
                embedding->rows(), c.dim, 1u << 24);
  c.vocab = static_cast<uint32_t>(embedding->rows());
  return c;
}

}  // namespace onebit
