// Samplers: options and state.
#include "capi/handles.h"

namespace onebit::capi {
namespace {

const SamplerOptions kOurs{};
const onebit_sampler_options kDefaults{.struct_size = sizeof(onebit_sampler_options),
                                       .temperature = kOurs.temperature,
                                       .top_p = kOurs.top_p,
                                       .min_p = kOurs.min_p,
                                       .repeat_penalty = kOurs.repeat_penalty,
                                       .presence_penalty = kOurs.presence_penalty,
                                       .frequency_penalty = kOurs.frequency_penalty,
                                       .top_k = kOurs.top_k,
                                       .repeat_last_n = kOurs.repeat_last_n,
                                       .seed = kOurs.seed,
                                       .logit_bias = nullptr,
                                       .logit_biases = 0};

Value<SamplerOptions> sampler_options(const onebit_sampler_options& o) {
  SamplerOptions s;
  s.temperature = o.temperature;
  s.top_p = o.top_p;
  s.min_p = o.min_p;
  s.repeat_penalty = o.repeat_penalty;
  s.presence_penalty = o.presence_penalty;
  s.frequency_penalty = o.frequency_penalty;
  s.top_k = o.top_k;
  s.repeat_last_n = o.repeat_last_n;
  s.seed = o.seed;
  ONEBIT_ASSIGN(const auto biases, read_array(o.logit_bias, o.logit_biases, "logit_bias"));
  for (const onebit_logit_bias& b : biases)
    if (!s.logit_bias.emplace(b.token, b.bias).second)
      return refuse(ONEBIT_ERROR_ARGUMENT, "logit_bias has token {} twice, expected once", b.token);
  ONEBIT_TRY(check(s));
  return s;
}

}  // namespace
}  // namespace onebit::capi

using namespace onebit;
using namespace onebit::capi;

extern "C" {

onebit_status onebit_sampler_options_init(onebit_sampler_options* options, size_t struct_size) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(options);
    return write_struct(options, kDefaults, struct_size, "options");
  });
}

onebit_status onebit_sampler_create(const onebit_sampler_options* options, onebit_sampler** sampler) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(sampler);
    ONEBIT_ASSIGN(const onebit_sampler_options o, read_options(options, kDefaults, "options"));
    ONEBIT_ASSIGN(SamplerOptions s, sampler_options(o));
    *sampler = new onebit_sampler(std::move(s));
    return {};
  });
}

void onebit_sampler_free(onebit_sampler* sampler) { delete sampler; }

onebit_status onebit_sampler_accept(onebit_sampler* sampler, const int32_t* tokens, size_t n) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(sampler);
    ONEBIT_ASSIGN(const auto ids, read_array(tokens, n, "tokens"));
    const Use use(sampler->busy);
    ONEBIT_TRY(use.check("sampler"));
    for (const Token id : ids) sampler->sampler.accept(id);
    return {};
  });
}

onebit_status onebit_sampler_forget(onebit_sampler* sampler) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(sampler);
    const Use use(sampler->busy);
    ONEBIT_TRY(use.check("sampler"));
    sampler->sampler.forget();
    return {};
  });
}

}
