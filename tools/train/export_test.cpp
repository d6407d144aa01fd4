// What the exporter writes, read by the readers of the product.
#include <cmath>

#include <gtest/gtest.h>

#include "checkpoint.h"
#include "format/codec.h"
#include "format/gguf.h"
#include "text/tokenizer.h"

namespace onebit::train {
namespace {

const std::string kText = "Now it came to pass, that they'd 12 loaves; and \"It's well,\" said he.\n  They did eat.\n\n";

class Export : public testing::Test {
 protected:
  static Checkpoint make() {
    std::string text;
    for (int i = 0; i < 50; ++i) text += kText;
    Bpe bpe = Bpe::learn(text, 300);
    Model model({.vocab = bpe.size(), .dim = 256, .layers = 1, .heads = 4, .kv_heads = 2, .ffn = 512, .context = 32},
                Quantise::on);
    model.init(1);
    return {std::move(bpe), std::move(model)};
  }
  void SetUp() override {
    const auto status = export_gguf(path_, "small", checkpoint_);
    ASSERT_TRUE(status) << status.error().message;
    auto opened = Gguf::open(path_);
    ASSERT_TRUE(opened) << opened.error().message;
    gguf_ = std::move(*opened);
  }
  std::string path_ = testing::TempDir() + "onebit_export_test.gguf";
  Checkpoint checkpoint_ = make();
  Gguf gguf_;
};

TEST_F(Export, TensorsDecodeToWhatTheForwardPassUses) {
  const Model& model = checkpoint_.model;
  ASSERT_EQ(gguf_.tensors().size(), model.tensors().size());
  for (size_t i = 0; i < model.tensors().size(); ++i) {
    const auto& t = model.tensors()[i];
    const GgufTensor* file = gguf_.find_tensor(t.name);
    ASSERT_TRUE(file) << t.name;
    ASSERT_EQ(file->cols(), static_cast<uint64_t>(t.cols));
    ASSERT_EQ(file->rows(), static_cast<uint64_t>(t.rows));
    std::vector<float> values(t.size(), NAN);
    decode(*file, I2sLayout::block128, 0, t.size(), values.data());
    for (size_t j = 0; j < t.size(); ++j) {
      const float weight = model.parameters[t.offset + j];
      const float expected = t.kind == Tensor::linear      ? model.codes[t.offset + j] * model.scales[i]
                             : t.kind == Tensor::embedding ? static_cast<float>(static_cast<_Float16>(weight))
                                                           : weight;
      ASSERT_EQ(values[j], expected) << t.name << " element " << j;
    }
  }
}

TEST_F(Export, TokenizerOfTheProductGivesTheIdsOfTheTrainer) {
  auto tokenizer = Tokenizer::from_gguf(gguf_);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const Bpe& bpe = checkpoint_.bpe;
  for (const std::string& text : {kText, std::string("unseen: a  b\n\n\tc 'tis 1611, don't!  ")}) {
    const auto ids = tokenizer->encode(text, {.add_special = false});
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(*ids, bpe.encode(text));
  }
  EXPECT_EQ(tokenizer->bos(), bpe.bos());
  EXPECT_EQ(tokenizer->eos(), bpe.eos());
  EXPECT_TRUE(tokenizer->add_bos());
  EXPECT_TRUE(tokenizer->is_control(bpe.bos()));
}

TEST_F(Export, KeysDescribeTheNetwork) {
  const std::string arch = "bitnet-b1.58.";
  const auto number = [&](const char* key) { return gguf_.get_uint(arch + key, 0, 1 << 20).value_or(0); };
  EXPECT_EQ(gguf_.get_string("general.architecture").value_or(""), "bitnet-b1.58");
  EXPECT_EQ(number("block_count"), 1u);
  EXPECT_EQ(number("embedding_length"), 256u);
  EXPECT_EQ(number("feed_forward_length"), 512u);
  EXPECT_EQ(number("attention.head_count"), 4u);
  EXPECT_EQ(number("attention.head_count_kv"), 2u);
  EXPECT_EQ(number("rope.dimension_count"), 64u);
  EXPECT_EQ(number("context_length"), 32u);
  EXPECT_EQ(number("vocab_size"), 300u);
}

}  // namespace
}  // namespace onebit::train
