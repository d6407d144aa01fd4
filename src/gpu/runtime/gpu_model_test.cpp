// Forward passes on a GPU against those of the CPU: the same bits, whatever the batch, the packing, the cache and where
// the keys and values were made. Runs in the emulator; `gpu_model_test --gpu` takes the machine's GPU.
#include "gpu/runtime/gpu_model.h"

#include <cmath>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "gpu/runtime/code_objects.h"
#include "model/tiny_model.h"

namespace onebit::gpu {
namespace {

using onebit::testing::TinyModel;
using onebit::testing::TinyShape;
namespace fs = std::filesystem;

bool g_real = false;

Result<std::unique_ptr<Device>> open_device() { return g_real ? open_gpu() : Device::open(emulator_api()); }

struct Loaded {
  ThreadPool pool{2};
  Gguf gguf;
  std::optional<cpu::Compute> compute;
  std::optional<Model> model;
  std::unique_ptr<GpuModel> gpu;
  const ModelConfig& config() const { return model->config(); }
};

class GpuForward : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("onebit_gpu_" + std::to_string(getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::unique_ptr<Loaded> load(const TinyShape& shape, const GpuOptions& options = {}) {
    const std::string path = (dir_ / fmt::format("m{}.gguf", count_++)).string();
    const Status written = TinyModel(shape).write(path);
    EXPECT_TRUE(written) << written.error().message;
    auto l = std::make_unique<Loaded>();
    auto gguf = Gguf::open(path);
    EXPECT_TRUE(gguf) << gguf.error().message;
    l->gguf = std::move(*gguf);
    l->compute = std::move(*cpu::Compute::create(cpu::best_isa(), l->pool));
    auto model = Model::load(l->gguf, I2sLayout::automatic, *l->compute, {});
    EXPECT_TRUE(model) << model.error().message;
    l->model = std::move(*model);
    auto device = open_device();
    EXPECT_TRUE(device) << device.error().message;
    auto gpu = GpuModel::create(std::move(*device), *l->model, l->pool, options, {});
    EXPECT_TRUE(gpu) << gpu.error().message;
    if (gpu) l->gpu = std::move(*gpu);
    return l;
  }

  fs::path dir_;
  int count_ = 0;
};

std::vector<int32_t> some_tokens(size_t n, uint32_t vocab) {
  std::vector<int32_t> t(n);
  for (size_t i = 0; i < n; ++i) t[i] = static_cast<int32_t>((i * 37 + i * i * 11 + 5) % vocab);
  return t;
}

// Evaluates tokens after what is in `kv`, on the GPU or the CPU, and returns all hidden states.
std::vector<float> run(Loaded& l, bool on_gpu, KvCache& kv, std::span<const int32_t> tokens, Activations& act) {
  const uint32_t dim = l.config().dim;
  std::vector<BatchToken> batch;
  for (const int32_t t : tokens) batch.push_back({t, &kv, true});
  std::vector<float> out(tokens.size() * dim, NAN);
  l.model->run_on(on_gpu ? l.gpu.get() : nullptr);
  const Status s = l.model->forward(batch, act, *l.compute, out.data());
  EXPECT_TRUE(s) << s.error().message;
  return out;
}

std::vector<float> run_in_batches(Loaded& l, bool on_gpu, KvCache& kv, std::span<const int32_t> tokens, std::span<const size_t> batches) {
  Activations act;
  std::vector<float> out;
  for (size_t at = 0, i = 0; at < tokens.size(); ++i) {
    const size_t n = std::min(batches[i % batches.size()], tokens.size() - at);
    const auto part = run(l, on_gpu, kv, tokens.subspan(at, n), act);
    out.insert(out.end(), part.begin(), part.end());
    at += n;
  }
  return out;
}

void same(const std::vector<float>& a, const std::vector<float>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_EQ(std::memcmp(&a[i], &b[i], 4), 0) << what << ": element " << i << " is " << b[i] << ", expected " << a[i];
}

KvCache cache(const Loaded& l, cpu::KvType type = cpu::KvType::f16) { return {l.config(), type, l.config().context}; }

TEST_F(GpuForward, EveryArchitectureAndPackingGivesTheBitsOfTheCpu) {
  for (const char* arch : {"bitnet-b1.58", "bitnet", "llama"}) {
    for (const Packing packing : {Packing::p2, Packing::p16}) {
      TinyShape shape;
      shape.arch = arch;
      shape.dim = 160;  // no multiple of a tile
      shape.heads = 4;
      shape.kv_heads = 2;
      shape.ffn = 416;
      shape.vocab = 101;
      const auto l = load(shape, {packing, true});
      ASSERT_TRUE(l->gpu);
      const auto tokens = some_tokens(24, shape.vocab);
      KvCache cpu_kv = cache(*l), gpu_kv = cache(*l);
      const size_t batches[] = {3, 1, 1, 16, 2};
      const std::string what = fmt::format("{}, packing {}", arch, static_cast<int>(packing));
      same(run_in_batches(*l, false, cpu_kv, tokens, batches), run_in_batches(*l, true, gpu_kv, tokens, batches), what);
      EXPECT_EQ(gpu_kv.length, 24u);
      EXPECT_EQ(gpu_kv.on_device, 24u);
      EXPECT_EQ(gpu_kv.on_host, 0u);
      EXPECT_GT(l->gpu->counts().steps, 0u);
    }
  }
}

TEST_F(GpuForward, PrefillGivesTheBitsOfTheCpu) {
  for (const Packing packing : {Packing::p2, Packing::p16}) {
    const auto l = load({}, {packing, true});
    ASSERT_TRUE(l->gpu);
    const auto tokens = some_tokens(150, 96);
    KvCache cpu_kv = cache(*l), gpu_kv = cache(*l);
    const size_t batches[] = {130, 20};
    same(run_in_batches(*l, false, cpu_kv, tokens, batches), run_in_batches(*l, true, gpu_kv, tokens, batches), "prefill");
  }
}

TEST_F(GpuForward, OnlyTheWantedTokensOfAPromptComeBack) {
  const auto l = load({});
  ASSERT_TRUE(l->gpu);
  const auto tokens = some_tokens(40, 96);
  std::vector<float> expected, got;
  for (const bool on_gpu : {false, true}) {
    KvCache kv = cache(*l);
    Activations act;
    act.top = 2;
    std::vector<BatchToken> batch;
    for (size_t i = 0; i < tokens.size(); ++i) batch.push_back({tokens[i], &kv, i == 7 || i == 22 || i + 1 == tokens.size()});
    std::vector<float>& out = on_gpu ? got : expected;
    out.assign(3 * l->config().dim, NAN);
    l->model->run_on(on_gpu ? l->gpu.get() : nullptr);
    ASSERT_TRUE(l->model->forward(batch, act, *l->compute, out.data()));
    if (!on_gpu) continue;
    ASSERT_EQ(act.best.size(), 6u);
    for (size_t i = 0; i < 3; ++i) {
      std::vector<cpu::TokenLogit> top;
      l->model->head().top(*l->compute, expected.data() + i * l->config().dim, 2, top);
      for (size_t n = 0; n < 2; ++n) {
        EXPECT_EQ(act.best[2 * i + n].token, top[n].token);
        EXPECT_EQ(act.best[2 * i + n].logit, top[n].logit);
      }
    }
  }
  same(expected, got, "wanted tokens");
}

TEST_F(GpuForward, EveryKvTypeGivesTheBitsOfTheCpu) {
  for (const cpu::KvType type : {cpu::KvType::f32, cpu::KvType::f16, cpu::KvType::q8}) {
    const auto l = load({});
    ASSERT_TRUE(l->gpu);
    const auto tokens = some_tokens(22, 96);
    KvCache cpu_kv = cache(*l, type), gpu_kv = cache(*l, type);
    const size_t batches[] = {18, 1};
    same(run_in_batches(*l, false, cpu_kv, tokens, batches), run_in_batches(*l, true, gpu_kv, tokens, batches), fmt::format("type {}", static_cast<int>(type)));
  }
}

TEST_F(GpuForward, WeightsThatAreNotTernaryGiveTheBitsOfTheCpu) {
  for (const TensorType type : {TensorType::f32, TensorType::f16, TensorType::q8_0}) {
    for (const char* arch : {"bitnet-b1.58", "llama"}) {
      TinyShape shape;
      shape.type = type;
      shape.arch = arch;
      const auto l = load(shape);
      ASSERT_TRUE(l->gpu);
      const auto tokens = some_tokens(20, 96);
      KvCache cpu_kv = cache(*l), gpu_kv = cache(*l);
      const size_t batches[] = {17, 1, 2};
      same(run_in_batches(*l, false, cpu_kv, tokens, batches), run_in_batches(*l, true, gpu_kv, tokens, batches), fmt::format("{} type {}", arch, static_cast<int>(type)));
    }
  }
}

// The mission's mode: the prompt elsewhere, its keys and values handed over once, generation on the GPU; and back.
TEST_F(GpuForward, ACacheMadeOnTheCpuIsHandedOverOnceAndComesBack) {
  const auto l = load({});
  ASSERT_TRUE(l->gpu);
  const auto tokens = some_tokens(60, 96);
  const std::span<const int32_t> all(tokens);
  KvCache expected_kv = cache(*l), kv = cache(*l);
  Activations act;
  const auto expected = run(*l, false, expected_kv, all, act);
  const uint32_t dim = l->config().dim;
  const auto expect = [&](size_t first, const std::vector<float>& got, const char* what) {
    same({expected.begin() + first * dim, expected.begin() + first * dim + got.size()}, got, what);
  };
  expect(0, run(*l, false, kv, all.first(30), act), "prompt on the CPU");
  expect(30, run(*l, true, kv, all.subspan(30, 1), act), "the first step on the GPU");
  EXPECT_EQ(l->gpu->counts().handed_positions, 30u);
  EXPECT_EQ(l->gpu->counts().handed_bytes, kv.bytes(30));
  for (size_t i = 31; i < 40; ++i) expect(i, run(*l, true, kv, all.subspan(i, 1), act), "later steps");
  EXPECT_EQ(l->gpu->counts().handed_positions, 30u);
  EXPECT_EQ(kv.on_host, 30u);
  expect(40, run(*l, false, kv, all.subspan(40, 5), act), "back on the CPU");
  EXPECT_EQ(kv.on_host, 45u);
  EXPECT_EQ(kv.on_device, 40u);
  expect(45, run(*l, true, kv, all.subspan(45, 3), act), "on the GPU again");
  EXPECT_EQ(l->gpu->counts().handed_positions, 35u);
  // A text that is taken back and goes on elsewhere: what lies past its end on either side is stale.
  kv.length = 20;
  expect(20, run(*l, true, kv, all.subspan(20, 2), act), "after going back");
  expect(22, run(*l, false, kv, all.subspan(22, 2), act), "the CPU after going back");
  kv.length = 10;
  const std::vector<int32_t> other(all.begin() + 40, all.begin() + 45);
  run(*l, true, kv, other, act);
  EXPECT_EQ(kv.on_host, 10u);
  KvCache fresh = cache(*l);
  run(*l, false, fresh, all.first(10), act);
  run(*l, false, fresh, other, act);
  same(run(*l, false, fresh, all.first(1), act), run(*l, false, kv, all.first(1), act), "another continuation");
}

TEST_F(GpuForward, SeveralSequencesShareABatch) {
  const auto l = load({});
  ASSERT_TRUE(l->gpu);
  const auto tokens = some_tokens(80, 96);
  const uint32_t dim = l->config().dim;
  for (const size_t per_turn : {1, 20}) {  // a step, and a pass with prompts of two sequences and single tokens of a third
    std::vector<float> results[2];
    for (const bool on_gpu : {false, true}) {
      KvCache a = cache(*l), b = cache(*l), c = cache(*l);
      Activations act;
      l->model->run_on(on_gpu ? l->gpu.get() : nullptr);
      size_t next = 0;
      for (int turn = 0; turn < 2; ++turn) {
        std::vector<BatchToken> batch;
        for (size_t i = 0; i < per_turn; ++i) batch.push_back({tokens[next++ % 80], &a, true});
        batch.push_back({tokens[next++ % 80], &c, true});
        for (size_t i = 0; i < per_turn; ++i) batch.push_back({tokens[next++ % 80], &b, true});
        batch.push_back({tokens[next++ % 80], &c, true});
        std::vector<float> out(batch.size() * dim, NAN);
        ASSERT_TRUE(l->model->forward(batch, act, *l->compute, out.data()));
        results[on_gpu].insert(results[on_gpu].end(), out.begin(), out.end());
      }
    }
    same(results[0], results[1], fmt::format("{} tokens a turn", per_turn));
  }
}

TEST_F(GpuForward, AGraphReplaysWhatSingleLaunchesDo) {
  TinyShape shape;
  shape.context = 700;
  const auto with = load(shape, {Packing::p2, true}), without = load(shape, {Packing::p2, false});
  ASSERT_TRUE(with->gpu && without->gpu);
  const auto tokens = some_tokens(12, 96);
  KvCache a = cache(*with), b = cache(*without);
  const size_t batches[] = {1, 1, 2};
  const auto x = run_in_batches(*with, true, a, tokens, batches), y = run_in_batches(*without, true, b, tokens, batches);
  same(x, y, "graph");
  EXPECT_EQ(with->gpu->counts().steps, 9u);
  EXPECT_LE(with->gpu->counts().graphs, 3u);  // one for each number of tokens, made anew when memory grew
  EXPECT_EQ(without->gpu->counts().steps, 0u);
  EXPECT_EQ(with->gpu->device().counts().launches, without->gpu->device().counts().launches);
}

TEST_F(GpuForward, ContextsGrow) {
  TinyShape shape;
  shape.layers = 1;
  shape.context = 600;
  const auto l = load(shape);
  ASSERT_TRUE(l->gpu);
  const auto tokens = some_tokens(530, 96);
  KvCache cpu_kv = cache(*l), gpu_kv = cache(*l);
  const size_t batches[] = {250, 3, 1, 2, 1, 254, 1, 2, 16};  // past 256 and 512 in steps and in passes
  same(run_in_batches(*l, false, cpu_kv, tokens, batches), run_in_batches(*l, true, gpu_kv, tokens, batches), "a long text");
}

TEST_F(GpuForward, TheErrorsOfTheCpu) {
  TinyShape shape;
  shape.context = 20;
  const auto l = load(shape);
  ASSERT_TRUE(l->gpu);
  l->model->run_on(l->gpu.get());
  KvCache kv = cache(*l);
  Activations act;
  std::vector<float> out(l->config().dim);
  const BatchToken outside[] = {{96, &kv, true}};
  const auto bad = l->model->forward(outside, act, *l->compute, out.data());
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "token id 96 is outside the vocabulary of 96");
  Activations long_act;
  run(*l, true, kv, some_tokens(20, 96), long_act);
  const BatchToken more[] = {{1, &kv, true}};
  const auto full = l->model->forward(more, act, *l->compute, out.data());
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::out_of_range);
  EXPECT_EQ(kv.length, 20u);
}

TEST_F(GpuForward, TheBestLogitsAreThoseOfTheCpu) {
  TinyShape shape;
  shape.vocab = 1500;  // ragged, several groups of the head
  const auto l = load(shape);
  ASSERT_TRUE(l->gpu);
  KvCache kv = cache(*l);
  Activations act;
  for (const uint32_t top : {1u, 40u, 3u, 0u}) {
    act.top = top;
    const auto hidden = run(*l, true, kv, some_tokens(2, shape.vocab), act);
    ASSERT_EQ(act.best.size(), 2 * top);
    for (size_t t = 0; t < 2; ++t) {
      std::vector<cpu::TokenLogit> expected;
      l->model->head().top(*l->compute, hidden.data() + t * l->config().dim, top, expected);
      for (size_t i = 0; i < top; ++i) {
        EXPECT_EQ(act.best[t * top + i].token, expected[i].token) << "number " << i;
        EXPECT_EQ(act.best[t * top + i].logit, expected[i].logit) << "number " << i;
      }
    }
  }
}

TEST(GpuKernelSet, EmbeddedCodeObjectsAreWhatTheySayAndHoldEveryKernel) {
  for (const CodeObject& c : code_objects()) {
    SCOPED_TRACE(c.architecture);
    const std::string_view text(reinterpret_cast<const char*>(c.bytes), c.size);
    if (std::string_view(c.architecture).starts_with("sm_")) {
      EXPECT_NE(text.find(fmt::format(".target {}", c.architecture)), std::string_view::npos);
      EXPECT_EQ(c.bytes[c.size], 0);
    } else {
      EXPECT_TRUE(text.starts_with("\x7f" "ELF"));
      EXPECT_NE(text.find(fmt::format("amdgcn-amd-amdhsa--{}", c.architecture)), std::string_view::npos);
    }
    for (int k = 0; k <= static_cast<int>(Kernel::head_select); ++k)
      EXPECT_NE(text.find(name(static_cast<Kernel>(k))), std::string_view::npos) << name(static_cast<Kernel>(k));
  }
  EXPECT_EQ(embedded_architectures().empty(), code_objects().empty());
}

TEST(GpuKernelSet, PicksTheCodeObjectOfADevice) {
  const std::vector<std::string> all{"gfx11-generic", "gfx1151", "gfx1201", "sm_80", "sm_90"};
  const auto picked = [&](const std::string& architecture) {
    const int i = pick_code_object(architecture, all);
    return i < 0 ? std::string("none") : all[static_cast<size_t>(i)];
  };
  EXPECT_EQ(picked("gfx1151"), "gfx1151");
  EXPECT_EQ(picked("gfx1103"), "gfx11-generic");
  EXPECT_EQ(picked("gfx1200"), "none");
  EXPECT_EQ(picked("gfx90a"), "none");
  EXPECT_EQ(picked("gfx110"), "none");
  EXPECT_EQ(picked("sm_90"), "sm_90");
  EXPECT_EQ(picked("sm_86"), "sm_80");
  EXPECT_EQ(picked("sm_120"), "sm_90");
  EXPECT_EQ(picked("sm_75"), "none");
  EXPECT_EQ(picked(""), "none");
}

}  // namespace
}  // namespace onebit::gpu

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  onebit::gpu::g_real = argc > 1 && std::string(argv[1]) == "--gpu";
  return RUN_ALL_TESTS();
}
