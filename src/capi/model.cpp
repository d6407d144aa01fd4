// Models: load, what they are, where they run; their chat formats.
#include <array>

#include "capi/handles.h"

namespace onebit::capi {
namespace {

constexpr uint32_t kMostThreads = 1024;
constexpr onebit_model_options kDefaults{.struct_size = sizeof(onebit_model_options),
                                         .threads = 0,
                                         .prefill_device = ONEBIT_DEVICE_AUTO,
                                         .decode_device = ONEBIT_DEVICE_AUTO,
                                         .npu_share = kShareAutomatic,
                                         .isa = nullptr,
                                         .i2s_block = 0,
                                         .reserved = 0,
                                         .progress = nullptr,
                                         .progress_user = nullptr};

Value<Where> where(int32_t kind, const char* option) {
  switch (kind) {
    case ONEBIT_DEVICE_AUTO: return Where::automatic;
    case ONEBIT_DEVICE_CPU: return Where::cpu;
    case ONEBIT_DEVICE_NPU: return Where::npu;
    case ONEBIT_DEVICE_NPU_SIM: return Where::npu_sim;
    case ONEBIT_DEVICE_GPU: return refuse(ONEBIT_ERROR_UNAVAILABLE, "{}: the GPU is not available in this build, expected auto, CPU, NPU or NPU simulator", option);
    default: return refuse(ONEBIT_ERROR_ARGUMENT, "{} is {}, expected one of ONEBIT_DEVICE_*", option, kind);
  }
}

int32_t kind_of(Where where) {
  switch (where) {
    case Where::npu: return ONEBIT_DEVICE_NPU;
    case Where::npu_sim: return ONEBIT_DEVICE_NPU_SIM;
    case Where::automatic:
    case Where::cpu: break;
  }
  return ONEBIT_DEVICE_CPU;
}

Value<EngineOptions> engine_options(const char* path, const onebit_model_options& o) {
  EngineOptions e;
  e.path = path;
  if (o.threads > kMostThreads) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "threads is {}, expected 0 to {}", o.threads, kMostThreads);
  e.threads = o.threads;
  if (o.isa) e.isa = o.isa;
  switch (o.i2s_block) {
    case 0: break;
    case 128: e.i2s = I2sLayout::block128; break;
    case 64: e.i2s = I2sLayout::block64; break;
    default: return refuse(ONEBIT_ERROR_ARGUMENT, "i2s_block is {}, expected 0, 64 or 128", o.i2s_block);
  }
  if (o.reserved != 0) return refuse(ONEBIT_ERROR_UNSUPPORTED, "reserved is {}, expected 0", o.reserved);
  ONEBIT_ASSIGN(e.placement.on[0], where(o.prefill_device, "prefill_device"));
  ONEBIT_ASSIGN(e.placement.on[1], where(o.decode_device, "decode_device"));
  e.placement.npu_share = o.npu_share;
  return e;
}

// Called inside parallel work, which nothing may be thrown out of.
LoadProgress load_progress(const onebit_model_options& o, std::atomic<bool>& threw) {
  if (!o.progress) return {};
  return [call = o.progress, user = o.progress_user, &threw](double fraction) {
    try {
      if (!threw) call(user, fraction);
    } catch (...) {
      threw = true;
    }
  };
}

void describe(onebit_model& m) {
  const Engine& engine = *m.shared->engine;
  const ModelConfig& c = engine.model().config();
  const PlacementReport placement = engine.placement().report();
  m.chat_style = detect_chat_style(c, engine.tokenizer());
  m.chat_format = chat_style_name(m.chat_style);
  m.isa = cpu::isa_name(m.shared->engine->compute().ops->isa);
  m.device = placement.device;
  m.why_cpu = placement.why_cpu;
  m.info = {.struct_size = sizeof m.info,
            .architecture = c.arch_name.c_str(),
            .name = c.name.c_str(),
            .chat_format = m.chat_format.c_str(),
            .device = m.device.c_str(),
            .why_cpu = m.why_cpu.c_str(),
            .isa = m.isa.c_str(),
            .layers = c.layers,
            .embedding_size = c.dim,
            .heads = c.heads,
            .kv_heads = c.kv_heads,
            .head_size = c.head_dim,
            .feed_forward_size = c.ffn,
            .context = c.context,
            .vocabulary = c.vocab,
            .threads = engine.threads(),
            .prefill_device = kind_of(placement.on[0]),
            .decode_device = kind_of(placement.on[1]),
            .npu_share = placement.npu_share,
            .weight_bytes_per_token = engine.model().weight_bytes_per_token()};
}

Value<std::vector<Token>> encode_chat(const onebit_model& model, std::span<const onebit_chat_message> messages, uint32_t flags) {
  constexpr std::array<std::string_view, 3> kRoles = {"system", "user", "assistant"};
  std::vector<Token> ids;
  for (size_t i = 0; i < messages.size(); ++i) {
    const onebit_chat_message& m = messages[i];
    if (!m.role) return refuse(ONEBIT_ERROR_ARGUMENT, "the role of message {} is NULL", i);
    if (std::find(kRoles.begin(), kRoles.end(), m.role) == kRoles.end())
      return refuse(ONEBIT_ERROR_ARGUMENT, "the role of message {} is '{}', expected system, user or assistant", i, m.role);
    ONEBIT_ASSIGN(const auto content, read_array(m.content, m.content_bytes, "content"));
    const bool first = i == 0 && !(flags & ONEBIT_CHAT_CONTINUES), answer = i + 1 == messages.size() && (flags & ONEBIT_CHAT_ANSWER);
    ONEBIT_ASSIGN(const std::vector<Token> part, encode_message(model.shared->engine->tokenizer(), model.chat_style,
                                                                {m.role, std::string(content.begin(), content.end())}, first, answer));
    ids.insert(ids.end(), part.begin(), part.end());
  }
  return ids;
}

}  // namespace
}  // namespace onebit::capi

using namespace onebit;
using namespace onebit::capi;

extern "C" {

onebit_status onebit_model_options_init(onebit_model_options* options, size_t struct_size) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(options);
    return write_struct(options, kDefaults, struct_size, "options");
  });
}

onebit_status onebit_model_load(const char* path, const onebit_model_options* options, onebit_model** model) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(path);
    ONEBIT_NEEDED(model);
    ONEBIT_ASSIGN(const onebit_model_options o, read_options(options, kDefaults, "options"));
    ONEBIT_ASSIGN(const EngineOptions e, engine_options(path, o));
    auto m = std::make_unique<onebit_model>();
    m->shared = std::make_shared<SharedEngine>();
    std::atomic<bool> threw{false};
    ONEBIT_ASSIGN(m->shared->engine, Engine::load(e, load_progress(o, threw)));
    if (threw) return refuse(ONEBIT_ERROR_INTERNAL, "an exception left the callback progress");
    describe(*m);
    *model = m.release();
    return {};
  });
}

void onebit_model_free(onebit_model* model) { delete model; }

onebit_status onebit_model_get_info(const onebit_model* model, onebit_model_info* info) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(model);
    return write_info(info, model->info);
  });
}

onebit_status onebit_model_get_stats(const onebit_model* model, onebit_model_stats* stats) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(model);
    ONEBIT_NEEDED(stats);
    PlacementReport r;
    {
      const std::lock_guard turn(model->shared->turns);
      r = model->shared->engine->placement().report();
    }
    return write_info(stats, onebit_model_stats{.struct_size = 0,
                                                .dispatches = r.dispatches,
                                                .failures = r.failures,
                                                .uploaded_bytes = r.uploaded_bytes,
                                                .downloaded_bytes = r.downloaded_bytes,
                                                .simulated_ddr_bytes = r.simulated_ddr_bytes});
  });
}

onebit_status onebit_model_check_placement(const onebit_model* model) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(model);
    const std::lock_guard turn(model->shared->turns);
    ONEBIT_TRY(check_strict(model->shared->engine->placement().report()));
    return {};
  });
}

onebit_status onebit_chat_encode(const onebit_model* model, const onebit_chat_message* messages, size_t n, uint32_t flags, int32_t* tokens,
                                 size_t capacity, size_t* count) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(model);
    ONEBIT_TRY(known_flags(flags, ONEBIT_CHAT_CONTINUES | ONEBIT_CHAT_ANSWER, "onebit_chat_encode"));
    ONEBIT_ASSIGN(const auto list, read_array(messages, n, "messages"));
    if (list.empty()) return refuse(ONEBIT_ERROR_ARGUMENT, "0 messages, expected at least one");
    ONEBIT_ASSIGN(const std::vector<Token> ids, encode_chat(*model, list, flags));
    return write_array(std::span<const Token>(ids), tokens, capacity, count);
  });
}

}
