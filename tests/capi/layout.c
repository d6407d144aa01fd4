/* The layout of the interface as a C compiler sees it: sizes and offsets of structs, values of constants. The output is
 * compared with layout.txt, and so are the declarations of the Rust crate onebit-sys: a change of a struct or of a number
 * breaks programs that were compiled before it. */
#include <stdio.h>

#include "onebit/onebit.h"

#define STRUCT(s) printf("struct %s %lu\n", #s, (unsigned long)sizeof(s))
#define FIELD(s, f) printf("field %s.%s %lu %lu\n", #s, #f, (unsigned long)offsetof(s, f), (unsigned long)sizeof(((s*)0)->f))
#define VALUE(c) printf("value %s %ld\n", #c, (long)(c))

static void structs(void) {
  STRUCT(onebit_model_options);
  FIELD(onebit_model_options, struct_size);
  FIELD(onebit_model_options, threads);
  FIELD(onebit_model_options, prefill_device);
  FIELD(onebit_model_options, decode_device);
  FIELD(onebit_model_options, npu_share);
  FIELD(onebit_model_options, isa);
  FIELD(onebit_model_options, i2s_block);
  FIELD(onebit_model_options, reserved);
  FIELD(onebit_model_options, progress);
  FIELD(onebit_model_options, progress_user);
  STRUCT(onebit_model_info);
  FIELD(onebit_model_info, struct_size);
  FIELD(onebit_model_info, architecture);
  FIELD(onebit_model_info, name);
  FIELD(onebit_model_info, chat_format);
  FIELD(onebit_model_info, device);
  FIELD(onebit_model_info, why_cpu);
  FIELD(onebit_model_info, isa);
  FIELD(onebit_model_info, layers);
  FIELD(onebit_model_info, embedding_size);
  FIELD(onebit_model_info, heads);
  FIELD(onebit_model_info, kv_heads);
  FIELD(onebit_model_info, head_size);
  FIELD(onebit_model_info, feed_forward_size);
  FIELD(onebit_model_info, context);
  FIELD(onebit_model_info, vocabulary);
  FIELD(onebit_model_info, threads);
  FIELD(onebit_model_info, prefill_device);
  FIELD(onebit_model_info, decode_device);
  FIELD(onebit_model_info, npu_share);
  FIELD(onebit_model_info, weight_bytes_per_token);
  STRUCT(onebit_model_stats);
  FIELD(onebit_model_stats, struct_size);
  FIELD(onebit_model_stats, dispatches);
  FIELD(onebit_model_stats, failures);
  FIELD(onebit_model_stats, uploaded_bytes);
  FIELD(onebit_model_stats, downloaded_bytes);
  FIELD(onebit_model_stats, simulated_ddr_bytes);
  STRUCT(onebit_tokenizer_info);
  FIELD(onebit_tokenizer_info, struct_size);
  FIELD(onebit_tokenizer_info, kind);
  FIELD(onebit_tokenizer_info, size);
  FIELD(onebit_tokenizer_info, bos);
  FIELD(onebit_tokenizer_info, eos);
  FIELD(onebit_tokenizer_info, adds_bos);
  STRUCT(onebit_chat_message);
  FIELD(onebit_chat_message, role);
  FIELD(onebit_chat_message, content);
  FIELD(onebit_chat_message, content_bytes);
  STRUCT(onebit_logit_bias);
  FIELD(onebit_logit_bias, token);
  FIELD(onebit_logit_bias, bias);
  STRUCT(onebit_sampler_options);
  FIELD(onebit_sampler_options, struct_size);
  FIELD(onebit_sampler_options, temperature);
  FIELD(onebit_sampler_options, top_p);
  FIELD(onebit_sampler_options, min_p);
  FIELD(onebit_sampler_options, repeat_penalty);
  FIELD(onebit_sampler_options, presence_penalty);
  FIELD(onebit_sampler_options, frequency_penalty);
  FIELD(onebit_sampler_options, top_k);
  FIELD(onebit_sampler_options, repeat_last_n);
  FIELD(onebit_sampler_options, seed);
  FIELD(onebit_sampler_options, logit_bias);
  FIELD(onebit_sampler_options, logit_biases);
  STRUCT(onebit_session_options);
  FIELD(onebit_session_options, struct_size);
  FIELD(onebit_session_options, context);
  FIELD(onebit_session_options, batch);
  FIELD(onebit_session_options, kv_type);
  FIELD(onebit_session_options, reserved);
  STRUCT(onebit_session_info);
  FIELD(onebit_session_info, struct_size);
  FIELD(onebit_session_info, tokens);
  FIELD(onebit_session_info, context);
  FIELD(onebit_session_info, kv_bytes);
  STRUCT(onebit_token_logit);
  FIELD(onebit_token_logit, token);
  FIELD(onebit_token_logit, logit);
  STRUCT(onebit_device_options);
  FIELD(onebit_device_options, struct_size);
  FIELD(onebit_device_options, kind);
  FIELD(onebit_device_options, index);
  FIELD(onebit_device_options, threads);
  FIELD(onebit_device_options, reserved);
  FIELD(onebit_device_options, isa);
  FIELD(onebit_device_options, xrt_module);
  STRUCT(onebit_device_info);
  FIELD(onebit_device_info, struct_size);
  FIELD(onebit_device_info, description);
  FIELD(onebit_device_info, kind);
  FIELD(onebit_device_info, simulated);
  FIELD(onebit_device_info, max_rows);
  FIELD(onebit_device_info, max_columns);
  FIELD(onebit_device_info, queue);
  FIELD(onebit_device_info, reserved);
  STRUCT(onebit_device_stats);
  FIELD(onebit_device_stats, struct_size);
  FIELD(onebit_device_stats, products);
  FIELD(onebit_device_stats, failures);
  FIELD(onebit_device_stats, macs);
  FIELD(onebit_device_stats, dispatches);
  FIELD(onebit_device_stats, reopens);
  FIELD(onebit_device_stats, uploaded_bytes);
  FIELD(onebit_device_stats, downloaded_bytes);
  FIELD(onebit_device_stats, simulated_ddr_bytes);
  FIELD(onebit_device_stats, weight_bytes);
  STRUCT(onebit_weights_info);
  FIELD(onebit_weights_info, struct_size);
  FIELD(onebit_weights_info, rows);
  FIELD(onebit_weights_info, columns);
  FIELD(onebit_weights_info, bytes);
}

static void values(void) {
  VALUE(ONEBIT_OK);
  VALUE(ONEBIT_ERROR_ARGUMENT);
  VALUE(ONEBIT_ERROR_IO);
  VALUE(ONEBIT_ERROR_FORMAT);
  VALUE(ONEBIT_ERROR_UNSUPPORTED);
  VALUE(ONEBIT_ERROR_OUT_OF_RANGE);
  VALUE(ONEBIT_ERROR_OUT_OF_MEMORY);
  VALUE(ONEBIT_ERROR_DEVICE);
  VALUE(ONEBIT_ERROR_CANCELLED);
  VALUE(ONEBIT_ERROR_TOO_SMALL);
  VALUE(ONEBIT_ERROR_BUSY);
  VALUE(ONEBIT_ERROR_STATE);
  VALUE(ONEBIT_ERROR_UNAVAILABLE);
  VALUE(ONEBIT_ERROR_INTERNAL);
  VALUE(ONEBIT_DEVICE_AUTO);
  VALUE(ONEBIT_DEVICE_CPU);
  VALUE(ONEBIT_DEVICE_NPU);
  VALUE(ONEBIT_DEVICE_NPU_SIM);
  VALUE(ONEBIT_DEVICE_GPU);
  VALUE(ONEBIT_ENCODE_NO_SPECIAL);
  VALUE(ONEBIT_ENCODE_PLAIN);
  VALUE(ONEBIT_DECODE_SPECIAL);
  VALUE(ONEBIT_TOKEN_END);
  VALUE(ONEBIT_TOKEN_CONTROL);
  VALUE(ONEBIT_CHAT_CONTINUES);
  VALUE(ONEBIT_CHAT_ANSWER);
  VALUE(ONEBIT_KV_F16);
  VALUE(ONEBIT_KV_F32);
  VALUE(ONEBIT_KV_Q8);
  VALUE(ONEBIT_GENERATE_IGNORE_END);
  VALUE(ONEBIT_FINISH_NONE);
  VALUE(ONEBIT_FINISH_LENGTH);
  VALUE(ONEBIT_FINISH_END);
  VALUE(ONEBIT_FINISH_STOPPED);
  VALUE(ONEBIT_TERNARY_CODES);
  VALUE(ONEBIT_TERNARY_I8);
}

int main(void) {
  structs();
  values();
  return 0;
}
