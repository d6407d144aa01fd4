/* Every function with null pointers and values outside their ranges: a status and a message, never a crash, and outputs
 * as they were. usage: arguments MODEL */
#include "onebit/onebit.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>

static onebit_model* g_model;
static onebit_session* g_session;
static onebit_sampler* g_sampler;
static onebit_tokenizer* g_tokenizer;
static onebit_device* g_device;
static onebit_weights* g_weights;

static void version_and_names(void) {
  CHECK(onebit_version() == (ONEBIT_VERSION_MAJOR << 16 | ONEBIT_VERSION_MINOR << 8 | ONEBIT_VERSION_PATCH));
  CHECK(onebit_version_string()[0] != 0);
  CHECK(strcmp(onebit_status_name(ONEBIT_OK), "ONEBIT_OK") == 0);
  CHECK(strcmp(onebit_status_name(ONEBIT_ERROR_INTERNAL), "ONEBIT_ERROR_INTERNAL") == 0);
  CHECK(strcmp(onebit_status_name(-1), "unknown status") == 0);
  CHECK(strcmp(onebit_status_name(INT32_MAX), "unknown status") == 0);
  CHECK(strcmp(onebit_last_error(), "") == 0);
}

static void null_handles_are_freed(void) {
  onebit_model_free(NULL);
  onebit_tokenizer_free(NULL);
  onebit_sampler_free(NULL);
  onebit_session_free(NULL);
  onebit_device_free(NULL);
  onebit_weights_free(NULL);
  onebit_event_free(NULL);
}

static void model_arguments(const char* path) {
  onebit_model* m = (onebit_model*)&m;
  onebit_model_options o;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "options is NULL", onebit_model_options_init(NULL, sizeof o));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "struct_size is 1", onebit_model_options_init(&o, 1));
  EXPECT(ONEBIT_OK, "", onebit_model_options_init(&o, sizeof o));
  CHECK(o.struct_size == sizeof o && o.npu_share == -1 && o.prefill_device == ONEBIT_DEVICE_AUTO && !o.progress);
  EXPECT(ONEBIT_ERROR_ARGUMENT, "path is NULL", onebit_model_load(NULL, &o, &m));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "model is NULL", onebit_model_load(path, &o, NULL));
  EXPECT(ONEBIT_ERROR_IO, "/does/not/exist.gguf", onebit_model_load("/does/not/exist.gguf", NULL, &m));
  o.struct_size = 0;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "struct_size is 0", onebit_model_load(path, &o, &m));
  o.struct_size = sizeof o;
  o.threads = 1025;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "threads is 1025, expected 0 to 1024", onebit_model_load(path, &o, &m));
  o.threads = 0;
  o.prefill_device = 77;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "prefill_device is 77", onebit_model_load(path, &o, &m));
  o.prefill_device = ONEBIT_DEVICE_AUTO;
  o.decode_device = -1;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "decode_device is -1", onebit_model_load(path, &o, &m));
  o.decode_device = ONEBIT_DEVICE_GPU;
  EXPECT(ONEBIT_ERROR_UNAVAILABLE, "not available in this build", onebit_model_load(path, &o, &m));
  o.decode_device = ONEBIT_DEVICE_CPU;
  o.npu_share = 101;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "101", onebit_model_load(path, &o, &m));
  o.npu_share = -1;
  o.isa = "z80";
  EXPECT(ONEBIT_ERROR_ARGUMENT, "z80", onebit_model_load(path, &o, &m));
  o.isa = NULL;
  o.i2s_block = 32;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "i2s_block is 32, expected 0, 64 or 128", onebit_model_load(path, &o, &m));
  o.i2s_block = 0;
  o.reserved = 1;
  EXPECT(ONEBIT_ERROR_UNSUPPORTED, "reserved is 1", onebit_model_load(path, &o, &m));
  CHECK(m == (onebit_model*)&m);

  onebit_model_info info;
  onebit_model_stats stats;
  info.struct_size = sizeof info;
  stats.struct_size = sizeof stats - 1;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "model is NULL", onebit_model_get_info(NULL, &info));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "info is NULL", onebit_model_get_info(g_model, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "model is NULL", onebit_model_get_stats(NULL, &stats));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "stats is NULL", onebit_model_get_stats(g_model, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "struct_size", onebit_model_get_stats(g_model, &stats));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "model is NULL", onebit_model_check_placement(NULL));
  EXPECT(ONEBIT_OK, "", onebit_model_check_placement(g_model));
}

/* A caller that was compiled with a later version: its struct is longer. */
static void longer_structs(const char* path) {
  struct {
    onebit_model_options now;
    int64_t later;
  } o;
  struct {
    onebit_model_info now;
    int64_t later;
  } info;
  onebit_model* m = NULL;
  memset(&o, 0, sizeof o);
  EXPECT(ONEBIT_OK, "", onebit_model_options_init(&o.now, sizeof o));
  CHECK(o.now.struct_size == sizeof o);
  o.now.prefill_device = ONEBIT_DEVICE_CPU;
  o.later = 5;
  EXPECT(ONEBIT_ERROR_UNSUPPORTED, "an option that this version does not know", onebit_model_load(path, &o.now, &m));
  o.later = 0;
  EXPECT(ONEBIT_OK, "", onebit_model_load(path, &o.now, &m));
  memset(&info, 0xA5, sizeof info);
  info.now.struct_size = sizeof info;
  EXPECT(ONEBIT_OK, "", onebit_model_get_info(m, &info.now));
  CHECK(info.now.struct_size == sizeof info && info.later == 0 && info.now.vocabulary > 0);
  info.now.struct_size = (size_t)-1;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "expected at most", onebit_model_get_info(m, &info.now));
  onebit_model_free(m);
}

static void tokenizer_arguments(const char* path) {
  onebit_tokenizer* t = NULL;
  onebit_tokenizer_info info;
  int32_t ids[8] = {0};
  char text[8];
  size_t n = 99;
  uint32_t attributes = 0;
  info.struct_size = sizeof info;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "path is NULL", onebit_tokenizer_load(NULL, &t));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokenizer is NULL", onebit_tokenizer_load(path, NULL));
  EXPECT(ONEBIT_ERROR_IO, "/nowhere", onebit_tokenizer_load("/nowhere", &t));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "model is NULL", onebit_model_tokenizer(NULL, &t));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokenizer is NULL", onebit_model_tokenizer(g_model, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokenizer is NULL", onebit_tokenizer_get_info(NULL, &info));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "info is NULL", onebit_tokenizer_get_info(g_tokenizer, NULL));

  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokenizer is NULL", onebit_tokenizer_encode(NULL, "a", 1, 0, ids, 8, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "text is NULL", onebit_tokenizer_encode(g_tokenizer, NULL, 1, 0, ids, 8, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "count is NULL", onebit_tokenizer_encode(g_tokenizer, "a", 1, 0, ids, 8, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "the output is NULL", onebit_tokenizer_encode(g_tokenizer, "a", 1, 0, NULL, 8, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "flags 0x80000000", onebit_tokenizer_encode(g_tokenizer, "a", 1, 0x80000000u, ids, 8, &n));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "text", onebit_tokenizer_encode(g_tokenizer, "a", (size_t)-1, 0, ids, 8, &n));
  CHECK(n == 99);
  EXPECT(ONEBIT_ERROR_TOO_SMALL, "takes 1 elements", onebit_tokenizer_encode(g_tokenizer, "In the beginning", 16, 0, ids, 1, &n));
  CHECK(n > 1 && ids[0] == 0);
  size_t asked = 0;
  EXPECT(ONEBIT_OK, "", onebit_tokenizer_encode(g_tokenizer, "In the beginning", 16, 0, NULL, 0, &asked));
  CHECK(asked == n);
  EXPECT(ONEBIT_OK, "", onebit_tokenizer_encode(g_tokenizer, NULL, 0, ONEBIT_ENCODE_NO_SPECIAL, ids, 8, &n));
  CHECK(n == 0);

  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokenizer is NULL", onebit_tokenizer_decode(NULL, ids, 1, 0, text, 8, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokens is NULL", onebit_tokenizer_decode(g_tokenizer, NULL, 1, 0, text, 8, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "count is NULL", onebit_tokenizer_decode(g_tokenizer, ids, 1, 0, text, 8, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "flags", onebit_tokenizer_decode(g_tokenizer, ids, 1, 2, text, 8, &n));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "tokens", onebit_tokenizer_decode(g_tokenizer, ids, (size_t)-1, 0, text, 8, &n));
  ids[0] = -1;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "token id -1", onebit_tokenizer_decode(g_tokenizer, ids, 1, 0, text, 8, &n));
  EXPECT(ONEBIT_OK, "", onebit_tokenizer_decode(g_tokenizer, NULL, 0, 0, text, 8, &n));

  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokenizer is NULL", onebit_tokenizer_piece(NULL, 0, 0, text, 8, &n));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "token id 2147483647", onebit_tokenizer_piece(g_tokenizer, INT32_MAX, 0, text, 8, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "flags", onebit_tokenizer_piece(g_tokenizer, 0, 4, text, 8, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokenizer is NULL", onebit_tokenizer_attributes(NULL, 0, &attributes));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "attributes is NULL", onebit_tokenizer_attributes(g_tokenizer, 0, NULL));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "token id -5", onebit_tokenizer_attributes(g_tokenizer, -5, &attributes));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokenizer is NULL", onebit_tokenizer_find(NULL, "a", 1, ids));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "text is NULL", onebit_tokenizer_find(g_tokenizer, NULL, 1, ids));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "token is NULL", onebit_tokenizer_find(g_tokenizer, "a", 1, NULL));
  EXPECT(ONEBIT_OK, "", onebit_tokenizer_find(g_tokenizer, "no token spells this", 20, ids));
  CHECK(ids[0] == -1);
}

static void chat_arguments(void) {
  onebit_chat_message m = {"user", "Hello", 5};
  int32_t ids[64];
  size_t n = 0;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "model is NULL", onebit_chat_encode(NULL, &m, 1, 0, ids, 64, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "messages is NULL", onebit_chat_encode(g_model, NULL, 1, 0, ids, 64, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "0 messages", onebit_chat_encode(g_model, NULL, 0, 0, ids, 64, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "flags", onebit_chat_encode(g_model, &m, 1, 8, ids, 64, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "count is NULL", onebit_chat_encode(g_model, &m, 1, 0, ids, 64, NULL));
  EXPECT(ONEBIT_OK, "", onebit_chat_encode(g_model, &m, 1, ONEBIT_CHAT_ANSWER, ids, 64, &n));
  CHECK(n > 0);
  m.role = "root";
  EXPECT(ONEBIT_ERROR_ARGUMENT, "'root', expected system, user or assistant", onebit_chat_encode(g_model, &m, 1, 0, ids, 64, &n));
  m.role = NULL;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "the role of message 0 is NULL", onebit_chat_encode(g_model, &m, 1, 0, ids, 64, &n));
  m.role = "user";
  m.content = NULL;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "content is NULL", onebit_chat_encode(g_model, &m, 1, 0, ids, 64, &n));
}

static void sampler_option(double* option, double value, const char* name, onebit_sampler_options* o) {
  const double before = *option;
  onebit_sampler* s = NULL;
  *option = value;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, name, onebit_sampler_create(o, &s));
  *option = before;
}

static void sampler_arguments(void) {
  onebit_sampler* s = NULL;
  onebit_sampler_options o;
  onebit_logit_bias bias[2] = {{3, 1.0f}, {3, 2.0f}};
  int32_t id = 1;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "options is NULL", onebit_sampler_options_init(NULL, sizeof o));
  EXPECT(ONEBIT_OK, "", onebit_sampler_options_init(&o, sizeof o));
  CHECK(o.temperature == 0.8 && o.top_k == 40 && o.top_p == 0.95 && o.min_p == 0.05 && o.repeat_last_n == 64 && o.repeat_penalty == 1);
  EXPECT(ONEBIT_ERROR_ARGUMENT, "sampler is NULL", onebit_sampler_create(&o, NULL));
  sampler_option(&o.temperature, -1, "temperature: -1", &o);
  sampler_option(&o.temperature, (double)NAN, "temperature", &o);
  sampler_option(&o.top_p, 1.5, "top_p: 1.5", &o);
  sampler_option(&o.min_p, -0.1, "min_p", &o);
  sampler_option(&o.repeat_penalty, 0, "repeat_penalty", &o);
  sampler_option(&o.presence_penalty, 1e9, "presence_penalty", &o);
  sampler_option(&o.frequency_penalty, (double)INFINITY, "frequency_penalty", &o);
  o.top_k = -1;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "top_k", onebit_sampler_create(&o, &s));
  o.top_k = 40;
  o.repeat_last_n = -2;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "repeat_last_n", onebit_sampler_create(&o, &s));
  o.repeat_last_n = 64;
  o.logit_biases = 2;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "logit_bias is NULL", onebit_sampler_create(&o, &s));
  o.logit_bias = bias;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "token 3 twice", onebit_sampler_create(&o, &s));
  bias[1].token = 4;
  bias[1].bias = NAN;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "logit_bias of token 4", onebit_sampler_create(&o, &s));
  CHECK(s == NULL);
  EXPECT(ONEBIT_ERROR_ARGUMENT, "sampler is NULL", onebit_sampler_accept(NULL, &id, 1));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokens is NULL", onebit_sampler_accept(g_sampler, NULL, 1));
  EXPECT(ONEBIT_OK, "", onebit_sampler_accept(g_sampler, NULL, 0));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "sampler is NULL", onebit_sampler_forget(NULL));
}

static void session_arguments(const onebit_model_info* info) {
  onebit_session* s = NULL;
  onebit_session_options o;
  onebit_session_info state;
  const int32_t good[2] = {1, 2}, bad[2] = {1, -1};
  int32_t beyond = 0, token = 7, finish = 7;
  size_t n = 0;
  uint32_t k = 0;
  onebit_token_logit top[4];
  float* floats = malloc(info->vocabulary * sizeof *floats);
  beyond = (int32_t)info->vocabulary;
  state.struct_size = sizeof state;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "options is NULL", onebit_session_options_init(NULL, sizeof o));
  EXPECT(ONEBIT_OK, "", onebit_session_options_init(&o, sizeof o));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "model is NULL", onebit_session_create(NULL, &o, &s));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_create(g_model, &o, NULL));
  o.context = info->context + 1;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "context", onebit_session_create(g_model, &o, &s));
  o.context = 0;
  o.batch = 65537;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "batch is 65537", onebit_session_create(g_model, &o, &s));
  o.batch = 0;
  o.kv_type = 3;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "kv_type is 3", onebit_session_create(g_model, &o, &s));
  o.kv_type = ONEBIT_KV_F16;
  o.reserved = 9;
  EXPECT(ONEBIT_ERROR_UNSUPPORTED, "reserved is 9", onebit_session_create(g_model, &o, &s));
  CHECK(s == NULL);

  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_get_info(NULL, &state));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "info is NULL", onebit_session_get_info(g_session, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_tokens(NULL, &token, 1, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "count is NULL", onebit_session_tokens(g_session, &token, 1, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_feed(NULL, good, 2, NULL, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "tokens is NULL", onebit_session_feed(g_session, NULL, 2, NULL, NULL));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "token 1 has the id -1", onebit_session_feed(g_session, bad, 2, NULL, NULL));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "token 0 has the id", onebit_session_feed(g_session, &beyond, 1, NULL, NULL));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "expected at most", onebit_session_feed(g_session, good, (size_t)-1, NULL, NULL));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "do not fit", onebit_session_feed(g_session, good, (size_t)1 << 40, NULL, NULL));
  EXPECT(ONEBIT_OK, "", onebit_session_feed(g_session, NULL, 0, NULL, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_feed_hidden(NULL, good, 2, floats, 1));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "hidden is NULL", onebit_session_feed_hidden(g_session, good, 2, NULL, 1));
  EXPECT(ONEBIT_ERROR_TOO_SMALL, "2 tokens of", onebit_session_feed_hidden(g_session, good, 2, floats, info->embedding_size));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_append(NULL, 1));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "the id -1", onebit_session_append(g_session, -1));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_truncate(NULL, 0));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "truncate to 1 tokens, the text has 0", onebit_session_truncate(g_session, 1));

  /* An empty text has nothing to go on from. */
  EXPECT(ONEBIT_ERROR_STATE, "the text is empty", onebit_session_logits(g_session, floats, info->vocabulary));
  EXPECT(ONEBIT_ERROR_STATE, "the text is empty", onebit_session_hidden(g_session, floats, info->vocabulary));
  EXPECT(ONEBIT_ERROR_STATE, "the text is empty", onebit_session_top(g_session, 4, top, &k));
  EXPECT(ONEBIT_ERROR_STATE, "the text is empty", onebit_session_generate(g_session, g_sampler, 1, 0, NULL, NULL, &finish));
  EXPECT(ONEBIT_ERROR_STATE, "the text is empty", onebit_session_next(g_session, g_sampler, 0, &token, &finish));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_logits(NULL, floats, 1));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "logits is NULL", onebit_session_logits(g_session, NULL, info->vocabulary));
  EXPECT(ONEBIT_ERROR_TOO_SMALL, "logits takes 3 floats", onebit_session_logits(g_session, floats, 3));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_hidden(NULL, floats, 1));
  EXPECT(ONEBIT_ERROR_TOO_SMALL, "hidden takes 0 floats", onebit_session_hidden(g_session, floats, 0));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_top(NULL, 4, top, &k));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "top is NULL", onebit_session_top(g_session, 4, NULL, &k));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "count is NULL", onebit_session_top(g_session, 4, top, NULL));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "k is 0", onebit_session_top(g_session, 0, top, &k));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "k is 4294967295", onebit_session_top(g_session, UINT32_MAX, top, &k));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_generate(NULL, g_sampler, 1, 0, NULL, NULL, &finish));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "sampler is NULL", onebit_session_generate(g_session, NULL, 1, 0, NULL, NULL, &finish));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "flags", onebit_session_generate(g_session, g_sampler, 1, 2, NULL, NULL, &finish));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "limit is -2", onebit_session_generate(g_session, g_sampler, -2, 0, NULL, NULL, &finish));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_next(NULL, g_sampler, 0, &token, &finish));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "sampler is NULL", onebit_session_next(g_session, NULL, 0, &token, &finish));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "token is NULL", onebit_session_next(g_session, g_sampler, 0, NULL, &finish));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "finish is NULL", onebit_session_next(g_session, g_sampler, 0, &token, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "flags", onebit_session_next(g_session, g_sampler, 4, &token, &finish));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_cancel(NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "session is NULL", onebit_session_clear_cancel(NULL));
  CHECK(token == 7 && finish == 7);
  EXPECT(ONEBIT_OK, "", onebit_session_get_info(g_session, &state));
  CHECK(state.tokens == 0 && state.context == info->context && state.kv_bytes == 0);
  free(floats);
}

static void device_arguments(void) {
  onebit_device* d = NULL;
  onebit_device_options o;
  onebit_device_info info;
  onebit_device_stats stats;
  char text[4];
  size_t n = 0;
  int32_t lost = 9;
  info.struct_size = sizeof info;
  stats.struct_size = sizeof stats;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "options is NULL", onebit_device_options_init(NULL, sizeof o));
  EXPECT(ONEBIT_OK, "", onebit_device_options_init(&o, sizeof o));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "options is NULL", onebit_device_open(NULL, &d));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "device is NULL", onebit_device_open(&o, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "kind is 0", onebit_device_open(&o, &d));
  o.kind = 5;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "kind is 5", onebit_device_open(&o, &d));
  o.kind = ONEBIT_DEVICE_GPU;
  EXPECT(ONEBIT_ERROR_UNAVAILABLE, "not available in this build", onebit_device_open(&o, &d));
  o.kind = ONEBIT_DEVICE_CPU;
  o.index = 1;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "index is 1", onebit_device_open(&o, &d));
  o.index = 0;
  o.threads = UINT32_MAX;
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "threads is 4294967295", onebit_device_open(&o, &d));
  o.threads = 1;
  o.isa = "6502";
  EXPECT(ONEBIT_ERROR_ARGUMENT, "6502", onebit_device_open(&o, &d));
  o.isa = NULL;
  o.reserved = 2;
  EXPECT(ONEBIT_ERROR_UNSUPPORTED, "reserved is 2", onebit_device_open(&o, &d));
  o.reserved = 0;
  o.kind = ONEBIT_DEVICE_NPU;
  o.xrt_module = "/no/module.so";
  EXPECT(ONEBIT_ERROR_DEVICE, "/no/module.so", onebit_device_open(&o, &d));
  CHECK(d == NULL);
  EXPECT(ONEBIT_ERROR_ARGUMENT, "device is NULL", onebit_device_get_info(NULL, &info));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "info is NULL", onebit_device_get_info(g_device, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "device is NULL", onebit_device_get_stats(NULL, &stats));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "stats is NULL", onebit_device_get_stats(g_device, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "device is NULL", onebit_device_is_lost(NULL, &lost));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "lost is NULL", onebit_device_is_lost(g_device, NULL));
  EXPECT(ONEBIT_OK, "", onebit_device_is_lost(g_device, &lost));
  CHECK(lost == 0);
  EXPECT(ONEBIT_ERROR_ARGUMENT, "device is NULL", onebit_device_reopen(NULL));
  EXPECT(ONEBIT_ERROR_STATE, "not lost", onebit_device_reopen(g_device));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "kind is 1", onebit_device_explain(ONEBIT_DEVICE_CPU, 0, 0, text, 4, &n));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "count is NULL", onebit_device_explain(ONEBIT_DEVICE_NPU, 0, 0, text, 4, NULL));
  EXPECT(ONEBIT_ERROR_TOO_SMALL, "takes 4 elements", onebit_device_explain(ONEBIT_DEVICE_NPU, 8, 0, text, 4, &n));
  CHECK(n > 4);
  EXPECT(ONEBIT_OK, "", onebit_device_explain(ONEBIT_DEVICE_NPU, UINT32_MAX, INT32_MIN, NULL, 0, &n));
}

static void gemm_arguments(void) {
  const int8_t w[6] = {0, 1, -1, 1, 1, 2}, x[6] = {1, 2, 3, 4, 5, 6};
  int32_t out[4] = {7, 7, 7, 7}, done = 0;
  onebit_weights* made = NULL;
  onebit_event* event = NULL;
  onebit_weights_info info;
  info.struct_size = sizeof info;
  EXPECT(ONEBIT_ERROR_ARGUMENT, "device is NULL", onebit_weights_create(NULL, ONEBIT_TERNARY_I8, 2, 3, w, 0, &made));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "data is NULL", onebit_weights_create(g_device, ONEBIT_TERNARY_I8, 2, 3, NULL, 0, &made));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "weights is NULL", onebit_weights_create(g_device, ONEBIT_TERNARY_I8, 2, 3, w, 0, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "format is 2", onebit_weights_create(g_device, 2, 2, 3, w, 0, &made));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "rows is 0", onebit_weights_create(g_device, ONEBIT_TERNARY_I8, 0, 3, w, 0, &made));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "columns is 4294967295", onebit_weights_create(g_device, ONEBIT_TERNARY_I8, 2, UINT32_MAX, w, 0, &made));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "stride is 2, expected 0 or at least 3", onebit_weights_create(g_device, ONEBIT_TERNARY_I8, 2, 3, w, 2, &made));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "stride", onebit_weights_create(g_device, ONEBIT_TERNARY_I8, 2, 3, w, (size_t)-1, &made));
  EXPECT(ONEBIT_ERROR_FORMAT, "row 1, column 2 is 2, expected -1, 0 or 1", onebit_weights_create(g_device, ONEBIT_TERNARY_I8, 2, 3, w, 0, &made));
  EXPECT(ONEBIT_ERROR_FORMAT, "row 0, column 2 is 255, expected 0, 1 or 2", onebit_weights_create(g_device, ONEBIT_TERNARY_CODES, 2, 3, w, 0, &made));
  CHECK(made == NULL);
  EXPECT(ONEBIT_ERROR_ARGUMENT, "weights is NULL", onebit_weights_get_info(NULL, &info));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "info is NULL", onebit_weights_get_info(g_weights, NULL));
  EXPECT(ONEBIT_OK, "", onebit_weights_get_info(g_weights, &info));
  CHECK(info.rows == 2 && info.columns == 3 && info.bytes > 0);

  EXPECT(ONEBIT_ERROR_ARGUMENT, "weights is NULL", onebit_gemm(NULL, x, 2, 0, out, 0));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "x is NULL", onebit_gemm(g_weights, NULL, 2, 0, out, 0));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "out is NULL", onebit_gemm(g_weights, x, 2, 0, NULL, 0));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "tokens is 0", onebit_gemm(g_weights, x, 0, 0, out, 0));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "x_stride is 1, expected 0 or at least 3", onebit_gemm(g_weights, x, 2, 1, out, 0));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "out_stride is 1, expected 0 or at least 2", onebit_gemm(g_weights, x, 2, 0, out, 1));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "x_stride", onebit_gemm(g_weights, x, 2, (size_t)-1, out, 0));
  EXPECT(ONEBIT_ERROR_OUT_OF_RANGE, "out_stride", onebit_gemm(g_weights, x, 4, 0, out, (size_t)-1 / 4));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "event is NULL", onebit_gemm_submit(g_weights, x, 2, 0, out, 0, NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "weights is NULL", onebit_gemm_submit(NULL, x, 2, 0, out, 0, &event));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "x is NULL", onebit_gemm_submit(g_weights, NULL, 2, 0, out, 0, &event));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "event is NULL", onebit_event_wait(NULL));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "event is NULL", onebit_event_query(NULL, &done));
  CHECK(event == NULL && out[0] == 7 && out[1] == 7 && out[2] == 7 && out[3] == 7);
  EXPECT(ONEBIT_OK, "", onebit_gemm_submit(g_weights, x, 2, 0, out, 0, &event));
  EXPECT(ONEBIT_ERROR_ARGUMENT, "done is NULL", onebit_event_query(event, NULL));
  EXPECT(ONEBIT_OK, "", onebit_event_wait(event));
  EXPECT(ONEBIT_OK, "", onebit_event_wait(event));
  EXPECT(ONEBIT_OK, "", onebit_event_query(event, &done));
  CHECK(done == 1 && out[0] == -1 && out[1] == 3 + 3 && out[2] == -1 && out[3] == 9 + 6);
  onebit_event_free(event);
}

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "";
  const int8_t w[6] = {0, 1, -1, 1, 1, 1};
  onebit_device_options device;
  onebit_model_options options;
  onebit_model_info info;
  version_and_names();
  null_handles_are_freed();
  info.struct_size = sizeof info;
  EXPECT(ONEBIT_OK, "", onebit_model_options_init(&options, sizeof options));
  options.prefill_device = ONEBIT_DEVICE_CPU;
  EXPECT(ONEBIT_OK, "", onebit_model_load(path, &options, &g_model));
  EXPECT(ONEBIT_OK, "", onebit_model_get_info(g_model, &info));
  EXPECT(ONEBIT_OK, "", onebit_model_tokenizer(g_model, &g_tokenizer));
  EXPECT(ONEBIT_OK, "", onebit_session_create(g_model, NULL, &g_session));
  EXPECT(ONEBIT_OK, "", onebit_sampler_create(NULL, &g_sampler));
  EXPECT(ONEBIT_OK, "", onebit_device_options_init(&device, sizeof device));
  device.kind = ONEBIT_DEVICE_CPU;
  EXPECT(ONEBIT_OK, "", onebit_device_open(&device, &g_device));
  EXPECT(ONEBIT_OK, "", onebit_weights_create(g_device, ONEBIT_TERNARY_I8, 2, 3, w, 0, &g_weights));
  if (g_failures) return finish();
  model_arguments(path);
  longer_structs(path);
  tokenizer_arguments(path);
  chat_arguments();
  sampler_arguments();
  session_arguments(&info);
  device_arguments();
  gemm_arguments();
  /* In the order that takes away what others stand on. */
  onebit_model_free(g_model);
  onebit_device_free(g_device);
  onebit_weights_free(g_weights);
  onebit_sampler_free(g_sampler);
  onebit_session_free(g_session);
  onebit_tokenizer_free(g_tokenizer);
  return finish();
}
