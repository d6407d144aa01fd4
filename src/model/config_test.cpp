#include "model/config.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "model/model.h"
#include "model/tiny_model.h"

namespace onebit {
namespace {

using onebit::testing::TinyModel;
using onebit::testing::TinyShape;
namespace fs = std::filesystem;

struct File {
  std::string path = (fs::temp_directory_path() / ("onebit_config_" + std::to_string(getpid()) + ".gguf")).string();
  ~File() { fs::remove(path); }
};

std::string error_with(const std::string& key, GgufValue value, TinyShape shape = {.layers = 1}) {
  const File f;
  EXPECT_TRUE(TinyModel(shape).write(f.path, {{key, value}}));
  auto gguf = Gguf::open(f.path);
  EXPECT_TRUE(gguf) << gguf.error().message;
  const auto c = ModelConfig::read(*gguf);
  return c ? "" : c.error().message;
}

TEST(Config, EveryHyperparameterHasARange) {
  const std::string p = "bitnet-b1.58.";
  const std::pair<const char*, GgufValue> bad[] = {
      {"block_count", uint32_t{0}},         {"block_count", uint32_t{1025}},
      {"block_count", uint64_t{1} << 32},   {"embedding_length", uint32_t{0}},
      {"embedding_length", uint32_t{512}},  {"attention.head_count", uint32_t{0}},
      {"attention.head_count", uint32_t{3}}, {"attention.head_count_kv", uint32_t{0}},
      {"attention.head_count_kv", uint32_t{3}}, {"attention.head_count_kv", uint32_t{5}},
      {"attention.key_length", uint32_t{0}}, {"attention.key_length", uint32_t{63}},
      {"attention.key_length", uint32_t{258}}, {"attention.value_length", uint32_t{32}},
      {"feed_forward_length", uint32_t{0}}, {"feed_forward_length", uint32_t{262145}},
      {"context_length", uint32_t{0}},      {"context_length", uint64_t{1} << 40},
      {"rope.dimension_count", uint32_t{7}}, {"rope.dimension_count", uint32_t{66}},
      {"rope.freq_base", 0.0f},             {"rope.freq_base", NAN},
      {"rope.scaling.type", std::string("yarn")}, {"rope.scaling.factor", -1.0f},
      {"attention.layer_norm_rms_epsilon", -1e-5f}, {"attention.layer_norm_rms_epsilon", INFINITY},
      {"block_count", std::string("two")},  {"block_count", int32_t{-1}},
  };
  for (const auto& [key, value] : bad) {
    const std::string message = error_with(p + key, value);
    EXPECT_NE(message, "") << key;
    const bool named = message.find(key) != std::string::npos || message.find("head size") != std::string::npos ||
                       message.find("token_embd") != std::string::npos || message.find("embedding_length") != std::string::npos;
    EXPECT_TRUE(named) << key << ": " << message;
  }
  EXPECT_EQ(error_with("general.name", std::string("fine")), "");
}

TEST(Config, UnknownArchitectureIsNamed) {
  EXPECT_NE(error_with("general.architecture", std::string("mamba")).find("'mamba'"), std::string::npos);
}

// What loading the weights says of a file whose tensors are not what the configuration asks for.
std::string load_error(TinyShape shape, std::vector<std::pair<std::string, GgufValue>> keys) {
  const File f;
  EXPECT_TRUE(TinyModel(shape).write(f.path, std::move(keys)));
  auto gguf = Gguf::open(f.path);
  EXPECT_TRUE(gguf);
  ThreadPool pool(2);
  auto compute = cpu::Compute::create(cpu::best_isa(), pool);
  const auto m = Model::load(*gguf, I2sLayout::automatic, *compute, {});
  return m ? "" : m.error().message;
}

TEST(Weights, WrongShapesMissingAndUnknownTensorsAreNamed) {
  const TinyShape shape{.layers = 1};
  EXPECT_EQ(load_error(shape, {}), "");
  EXPECT_NE(load_error(shape, {{"bitnet-b1.58.feed_forward_length", uint32_t{768}}}).find("blk.0.ffn_gate.weight is 256 x 512, expected 256 x 768"),
            std::string::npos);
  EXPECT_NE(load_error(shape, {{"bitnet-b1.58.block_count", uint32_t{2}}}).find("blk.1.attn_norm.weight is missing"), std::string::npos);
  EXPECT_NE(load_error({.layers = 2}, {{"bitnet-b1.58.block_count", uint32_t{1}}}).find("is not part of this architecture"),
            std::string::npos);
  EXPECT_NE(load_error({.type = TensorType::tq1_0, .layers = 1}, {{"general.architecture", std::string("llama")}}), "");
}

}  // namespace
}  // namespace onebit
