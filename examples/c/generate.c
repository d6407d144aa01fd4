/* Continues a text with a model, through the C interface. Greedy, so that the text is that of `onebit run --temp 0`.
 *
 *   generate MODEL TEXT [TOKENS [cpu|npu|npu-sim]]
 *
 * The last argument says where the prompt is evaluated; the text does not depend on it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <onebit/onebit.h>

static int failed(const char* what) {
  fprintf(stderr, "generate: %s: %s\n", what, onebit_last_error());
  return 1;
}

static int32_t print(void* user, int32_t token, const char* text, size_t bytes) {
  (void)user;
  (void)token;
  fwrite(text, 1, bytes, stdout);
  fflush(stdout);
  return 0; /* go on */
}

static int32_t device_of(const char* name) {
  if (strcmp(name, "cpu") == 0) return ONEBIT_DEVICE_CPU;
  if (strcmp(name, "npu") == 0) return ONEBIT_DEVICE_NPU;
  if (strcmp(name, "npu-sim") == 0) return ONEBIT_DEVICE_NPU_SIM;
  return ONEBIT_DEVICE_AUTO;
}

/* The ids of a text; to be freed. */
static int32_t* encode(const onebit_tokenizer* tokenizer, const char* text, size_t* count) {
  int32_t* ids;
  if (onebit_tokenizer_encode(tokenizer, text, strlen(text), 0, NULL, 0, count)) return NULL;
  ids = malloc((*count + 1) * sizeof *ids);
  if (ids && onebit_tokenizer_encode(tokenizer, text, strlen(text), 0, ids, *count, count)) {
    free(ids);
    return NULL;
  }
  return ids;
}

static int generate(const onebit_model* model, const char* text, long tokens) {
  onebit_tokenizer* tokenizer = NULL;
  onebit_session* session = NULL;
  onebit_sampler* sampler = NULL;
  onebit_sampler_options options;
  int32_t* ids = NULL;
  size_t count = 0;
  int status = 1;

  onebit_sampler_options_init(&options, sizeof options);
  options.temperature = 0;
  if (onebit_model_tokenizer(model, &tokenizer) || !(ids = encode(tokenizer, text, &count)))
    failed("tokenizer");
  else if (onebit_sampler_create(&options, &sampler))
    failed("sampler");
  else if (onebit_session_create(model, NULL, &session))
    failed("session");
  else if (onebit_session_feed(session, ids, count, NULL, NULL))
    failed("prompt");
  else if (onebit_session_generate(session, sampler, tokens, 0, print, NULL, NULL))
    failed("generate");
  else
    status = 0;

  onebit_session_free(session);
  onebit_sampler_free(sampler);
  onebit_tokenizer_free(tokenizer);
  free(ids);
  return status;
}

int main(int argc, char** argv) {
  onebit_model_options options;
  onebit_model* model = NULL;
  int status;
  if (argc < 3) {
    fprintf(stderr, "usage: generate MODEL TEXT [TOKENS [cpu|npu|npu-sim]]\n");
    return 2;
  }
  onebit_model_options_init(&options, sizeof options);
  if (argc > 4) options.prefill_device = device_of(argv[4]);
  if (onebit_model_load(argv[1], &options, &model)) return failed("model");
  status = generate(model, argv[2], argc > 3 ? strtol(argv[3], NULL, 10) : 64);
  /* An NPU that did not do its part is an error here; without this call it is only counted. */
  if (status == 0 && onebit_model_check_placement(model)) status = failed("placement");
  onebit_model_free(model);
  return status;
}
