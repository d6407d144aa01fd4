/* One ternary matrix product on the simulated NPU and on the CPU: the same integers.
 *
 *   gemm [ROWS COLUMNS TOKENS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <onebit/onebit.h>

static unsigned g_random = 1;
static unsigned next_random(void) { return (g_random = g_random * 1664525u + 1013904223u) >> 16; }

static int failed(const char* what) {
  fprintf(stderr, "gemm: %s: %s\n", what, onebit_last_error());
  return 1;
}

struct product {
  uint32_t rows, columns, tokens;
  const int8_t *weights, *x; /* [rows][columns], [tokens][columns] */
};

static int multiply(int32_t kind, const struct product* p, int32_t* out) {
  onebit_device_options options;
  onebit_device_info info;
  onebit_device* device = NULL;
  onebit_weights* weights = NULL;
  onebit_event* event = NULL;
  int status = 1;

  onebit_device_options_init(&options, sizeof options);
  options.kind = kind;
  info.struct_size = sizeof info;
  if (onebit_device_open(&options, &device) || onebit_device_get_info(device, &info))
    failed("device");
  else if (onebit_weights_create(device, ONEBIT_TERNARY_I8, p->rows, p->columns, p->weights, 0, &weights))
    failed("weights");
  else if (onebit_gemm_submit(weights, p->x, p->tokens, 0, out, 0, &event) || onebit_event_wait(event))
    failed("product");
  else
    status = 0;
  if (status == 0) printf("%s: done\n", info.description);

  onebit_event_free(event);
  onebit_weights_free(weights);
  onebit_device_free(device);
  return status;
}

int main(int argc, char** argv) {
  struct product p = {100, 300, 33, NULL, NULL};
  size_t i, n;
  int8_t *w, *x;
  int32_t* out;
  int status;
  if (argc == 4) {
    p.rows = (uint32_t)strtoul(argv[1], NULL, 10);
    p.columns = (uint32_t)strtoul(argv[2], NULL, 10);
    p.tokens = (uint32_t)strtoul(argv[3], NULL, 10);
  }
  n = (size_t)p.tokens * p.rows;
  w = calloc((size_t)p.rows * p.columns + 1, sizeof *w);
  x = calloc((size_t)p.tokens * p.columns + 1, sizeof *x);
  out = calloc(2 * n + 1, sizeof *out);
  if (!w || !x || !out) return 1;
  for (i = 0; i < (size_t)p.rows * p.columns; ++i) w[i] = (int8_t)((int)(next_random() % 3) - 1);
  for (i = 0; i < (size_t)p.tokens * p.columns; ++i) x[i] = (int8_t)((int)(next_random() % 256) - 128);
  p.weights = w;
  p.x = x;
  status = multiply(ONEBIT_DEVICE_NPU_SIM, &p, out) || multiply(ONEBIT_DEVICE_CPU, &p, out + n);
  if (status == 0) {
    status = memcmp(out, out + n, n * sizeof *out) != 0;
    printf("%u x %u, %u tokens: %s\n", (unsigned)p.rows, (unsigned)p.columns, (unsigned)p.tokens, status ? "the results DIFFER" : "the same results");
  }
  free(w);
  free(x);
  free(out);
  return status;
}
