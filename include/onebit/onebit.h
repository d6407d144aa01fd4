/* onebit: ternary (BitNet b1.58) language models, and the device level below them. The C interface of libonebit.so.
 *
 * Conventions, for every function unless its comment says otherwise:
 *
 *   Errors    A function that can fail returns a status; ONEBIT_OK is 0. onebit_last_error() then holds a message of the
 *             calling thread: what was met, and what was expected. No exception leaves the library. A null pointer or
 *             a value outside its range is an error, never a crash; a pointer to something else than it says, or to a
 *             handle that was freed, cannot be noticed.
 *   Outputs   On failure an output holds what it held before, except sizes (below) and where a comment says so.
 *   Handles   Freed with their own free function, which takes NULL. Handles may be freed in any order: what a session
 *             needs of its model stays until the session is freed, and likewise down to events.
 *   Threads   Functions on different handles may be called at the same time. Each handle type says what may be called
 *             at the same time on one handle. A call that is not allowed then gives ONEBIT_ERROR_BUSY and does nothing,
 *             also when a callback makes it. Freeing a handle that another thread uses is a mistake of the caller that
 *             is not noticed.
 *   Callbacks Called on the thread of the call that took them. They may call the library on other handles. They must
 *             not throw; an exception that does leave one ends the call with ONEBIT_ERROR_INTERNAL.
 *   Structs   A struct whose first member is struct_size grows at its end in later versions. Options are set up by their
 *             init function, which takes the sizeof of the caller; of others the caller sets struct_size to sizeof. The
 *             library reads and writes struct_size bytes at most, takes its defaults for options beyond, and refuses
 *             options that it does not know where they are not 0. Reserved members are 0.
 *   Arrays    `(T* out, size_t capacity, size_t* count)`: *count becomes the number of elements there are, on
 *             ONEBIT_ERROR_TOO_SMALL too, where nothing else is written. With out NULL and capacity 0 the call succeeds
 *             and gives the count alone. Texts are such arrays of bytes, without a terminating 0.
 *   Texts     In: UTF-8, but any bytes are taken. `const char*` without a length ends with a 0 byte. Out, as a struct's
 *             member: valid as long as the handle that it was asked of.
 */
#ifndef ONEBIT_ONEBIT_H
#define ONEBIT_ONEBIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ONEBIT_API __attribute__((visibility("default")))
#else
#define ONEBIT_API
#endif

/* ---- Version ------------------------------------------------------------------------------------------------- */

#define ONEBIT_VERSION_MAJOR 0
#define ONEBIT_VERSION_MINOR 1
#define ONEBIT_VERSION_PATCH 0

/* Of the library in use: major << 16 | minor << 8 | patch. */
ONEBIT_API uint32_t onebit_version(void);
ONEBIT_API const char* onebit_version_string(void); /* "0.1.0" */

/* ---- Errors -------------------------------------------------------------------------------------------------- */

typedef enum onebit_status {
  ONEBIT_OK = 0,
  ONEBIT_ERROR_ARGUMENT = 1,     /* null, a struct's size, a name that is none */
  ONEBIT_ERROR_IO = 2,           /* the operating system refused: open, read, map */
  ONEBIT_ERROR_FORMAT = 3,       /* bytes that break the format they claim to have */
  ONEBIT_ERROR_UNSUPPORTED = 4,  /* well formed, but not something this library implements */
  ONEBIT_ERROR_OUT_OF_RANGE = 5, /* a value outside its range, a full context */
  ONEBIT_ERROR_OUT_OF_MEMORY = 6,
  ONEBIT_ERROR_DEVICE = 7,      /* an accelerator or its driver */
  ONEBIT_ERROR_CANCELLED = 8,   /* the caller asked to stop */
  ONEBIT_ERROR_TOO_SMALL = 9,   /* an array of the caller; *count says what it takes */
  ONEBIT_ERROR_BUSY = 10,       /* the handle is in use, or a queue is full */
  ONEBIT_ERROR_STATE = 11,      /* the handle is not in a state for this call */
  ONEBIT_ERROR_UNAVAILABLE = 12, /* a kind of device that this build does not have */
  ONEBIT_ERROR_INTERNAL = 13    /* a mistake of this library, or an exception out of a callback */
} onebit_status;

/* "ONEBIT_ERROR_DEVICE"; "unknown status" for other numbers. */
ONEBIT_API const char* onebit_status_name(int32_t status);
/* The message of the last call on this thread that failed, "" before the first. Calls that succeed leave it. Valid
 * until the next call on this thread that fails. At most 1023 bytes. */
ONEBIT_API const char* onebit_last_error(void);

/* ---- Devices by kind ------------------------------------------------------------------------------------------ */

enum {
  ONEBIT_DEVICE_AUTO = 0,    /* models only: prompts on an NPU where one opens, else the CPU */
  ONEBIT_DEVICE_CPU = 1,
  ONEBIT_DEVICE_NPU = 2,     /* XDNA 2, through XRT */
  ONEBIT_DEVICE_NPU_SIM = 3, /* the simulator of its array */
  ONEBIT_DEVICE_GPU = 4
};

/* ---- Models -------------------------------------------------------------------------------------------------- */

/* A model ready to run: weights, tokenizer, threads. Any number of threads may use one and have sessions of it; forward
 * passes of all its sessions take turns, in the order of asking, one pass at a time. */
typedef struct onebit_model onebit_model;

/* fraction: of the work that is done, 0 to 1. */
typedef void (*onebit_progress)(void* user, double fraction);

typedef struct onebit_model_options {
  size_t struct_size;
  uint32_t threads;         /* at most 1024; 0: one per CPU this process may use */
  int32_t prefill_device;   /* ONEBIT_DEVICE_*: where prompts are evaluated */
  int32_t decode_device;    /* where generated tokens are; ONEBIT_DEVICE_AUTO: the CPU */
  int32_t npu_share;        /* percent (0 to 100) of the rows of each matrix that the NPU takes; -1: measured */
  const char* isa;          /* of the CPU kernels: "scalar", "avx2", ...; NULL: the best there is */
  int32_t i2s_block;        /* of I2_S tensors: 128 or 64 weights; 0: by the file */
  uint32_t reserved;
  onebit_progress progress; /* NULL: none. Called while loading, on the loading thread; must not call the library. */
  void* progress_user;
} onebit_model_options;

/* npu_share -1, everything else 0. */
ONEBIT_API onebit_status onebit_model_options_init(onebit_model_options* options, size_t struct_size);

/* path: a GGUF file, or the first of its shards. options NULL: defaults. */
ONEBIT_API onebit_status onebit_model_load(const char* path, const onebit_model_options* options, onebit_model** model);
ONEBIT_API void onebit_model_free(onebit_model* model);

typedef struct onebit_model_info {
  size_t struct_size;
  const char* architecture; /* "bitnet-b1.58" */
  const char* name;         /* general.name of the file, or "" */
  const char* chat_format;  /* "plain", "bitnet", "llama3", "chatml", "falcon3" */
  const char* device;       /* "array simulator (npu2)"; "" where everything is on the CPU */
  const char* why_cpu;      /* why ONEBIT_DEVICE_AUTO took no NPU, or "" */
  const char* isa;          /* "avx512-vnni" */
  uint32_t layers, embedding_size, heads, kv_heads, head_size, feed_forward_size;
  uint32_t context;    /* positions */
  uint32_t vocabulary; /* rows of the embedding: logits of a token */
  uint32_t threads;
  int32_t prefill_device, decode_device; /* ONEBIT_DEVICE_*, never AUTO */
  int32_t npu_share;                     /* percent */
  uint64_t weight_bytes_per_token;       /* read for one decoded token */
} onebit_model_info;

ONEBIT_API onebit_status onebit_model_get_info(const onebit_model* model, onebit_model_info* info);

typedef struct onebit_model_stats {
  size_t struct_size;
  uint64_t dispatches;          /* commands that the NPU completed */
  uint64_t failures;            /* calls whose rows the CPU did in the NPU's place */
  uint64_t uploaded_bytes;      /* to the NPU */
  uint64_t downloaded_bytes;    /* from it */
  uint64_t simulated_ddr_bytes; /* between the simulated array and its memory; 0 on hardware */
} onebit_model_stats;

/* Waits for the forward pass in progress. */
ONEBIT_API onebit_status onebit_model_get_stats(const onebit_model* model, onebit_model_stats* stats);
/* ONEBIT_ERROR_DEVICE, and why, where work since the load did not run where the options sent it. */
ONEBIT_API onebit_status onebit_model_check_placement(const onebit_model* model);

/* ---- Tokenizers ---------------------------------------------------------------------------------------------- */

/* Never changes: any number of threads may use one. */
typedef struct onebit_tokenizer onebit_tokenizer;

/* Of a model file, without its weights. */
ONEBIT_API onebit_status onebit_tokenizer_load(const char* path, onebit_tokenizer** tokenizer);
/* Of a model; a handle of its own. */
ONEBIT_API onebit_status onebit_model_tokenizer(const onebit_model* model, onebit_tokenizer** tokenizer);
ONEBIT_API void onebit_tokenizer_free(onebit_tokenizer* tokenizer);

typedef struct onebit_tokenizer_info {
  size_t struct_size;
  const char* kind; /* "llama-bpe", "gpt-2", "llama-spm", ... */
  uint32_t size;    /* tokens */
  int32_t bos, eos; /* -1: none */
  int32_t adds_bos; /* 1: texts begin with bos */
} onebit_tokenizer_info;

ONEBIT_API onebit_status onebit_tokenizer_get_info(const onebit_tokenizer* tokenizer, onebit_tokenizer_info* info);

enum {
  ONEBIT_ENCODE_NO_SPECIAL = 1, /* without the first and last tokens that the model asks for */
  ONEBIT_ENCODE_PLAIN = 2       /* text that spells a control token stays text */
};
/* Any bytes, fewer than 2^30. text may be NULL where bytes is 0. */
ONEBIT_API onebit_status onebit_tokenizer_encode(const onebit_tokenizer* tokenizer, const char* text, size_t bytes, uint32_t flags,
                                                 int32_t* tokens, size_t capacity, size_t* count);

enum { ONEBIT_DECODE_SPECIAL = 1 /* control tokens give their text, else nothing */ };
/* decode(encode(x)) is x for valid UTF-8. tokens may be NULL where n is 0. Ids outside the vocabulary are an error. */
ONEBIT_API onebit_status onebit_tokenizer_decode(const onebit_tokenizer* tokenizer, const int32_t* tokens, size_t n, uint32_t flags,
                                                 char* text, size_t capacity, size_t* bytes);
/* The bytes of one token as a part of a text; they may begin or end inside a UTF-8 sequence. */
ONEBIT_API onebit_status onebit_tokenizer_piece(const onebit_tokenizer* tokenizer, int32_t token, uint32_t flags, char* text, size_t capacity,
                                                size_t* bytes);

enum {
  ONEBIT_TOKEN_END = 1,    /* generation stops here */
  ONEBIT_TOKEN_CONTROL = 2
};
ONEBIT_API onebit_status onebit_tokenizer_attributes(const onebit_tokenizer* tokenizer, int32_t token, uint32_t* attributes);
/* The id of exactly this text, such as "<|eot_id|>", or -1. */
ONEBIT_API onebit_status onebit_tokenizer_find(const onebit_tokenizer* tokenizer, const char* text, size_t bytes, int32_t* token);

/* ---- Chat ---------------------------------------------------------------------------------------------------- */

typedef struct onebit_chat_message {
  const char* role; /* "system", "user" or "assistant" */
  const char* content;
  size_t content_bytes; /* content may be NULL where this is 0 */
} onebit_chat_message;

enum {
  ONEBIT_CHAT_CONTINUES = 1, /* messages of this conversation came before: no token that begins a text */
  ONEBIT_CHAT_ANSWER = 2     /* ends with what opens the assistant's answer */
};
/* The tokens of `n` messages that follow each other, at least one, in the model's chat format. Control tokens come from
 * the format only: a content that spells one stays text. */
ONEBIT_API onebit_status onebit_chat_encode(const onebit_model* model, const onebit_chat_message* messages, size_t n, uint32_t flags,
                                            int32_t* tokens, size_t capacity, size_t* count);

/* ---- Samplers ------------------------------------------------------------------------------------------------- */

/* Chooses tokens. It holds the state of its random numbers, and the tokens that penalties look back on. One thread at a
 * time; a call while another uses it gives ONEBIT_ERROR_BUSY. */
typedef struct onebit_sampler onebit_sampler;

typedef struct onebit_logit_bias {
  int32_t token;
  float bias; /* added to the logit; -infinity bans the token */
} onebit_logit_bias;

typedef struct onebit_sampler_options {
  size_t struct_size;
  double temperature;       /* 0 to 100; 0: always the most likely token */
  double top_p;             /* 0 to 1; 1: off */
  double min_p;             /* 0 to 1; 0: off */
  double repeat_penalty;    /* 0.01 to 100; 1: off */
  double presence_penalty;  /* -100 to 100 */
  double frequency_penalty; /* -100 to 100 */
  int64_t top_k;            /* 0 to 1e9; 0: all */
  int64_t repeat_last_n;    /* tokens looked back on, -1 to 1e9; 0: none, -1: all */
  uint64_t seed;            /* the same seed gives the same text */
  const onebit_logit_bias* logit_bias; /* copied; a token may come once */
  size_t logit_biases;
} onebit_sampler_options;

/* temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, repeat_penalty 1, repeat_last_n 64, seed 0, the rest 0. Options are
 * to be set up by this function; members beyond a smaller struct_size have these values. */
ONEBIT_API onebit_status onebit_sampler_options_init(onebit_sampler_options* options, size_t struct_size);
/* options NULL: the defaults above. */
ONEBIT_API onebit_status onebit_sampler_create(const onebit_sampler_options* options, onebit_sampler** sampler);
ONEBIT_API void onebit_sampler_free(onebit_sampler* sampler);
/* Tokens for penalties to look back on: the prompt. What the sampler chooses it accepts by itself. */
ONEBIT_API onebit_status onebit_sampler_accept(onebit_sampler* sampler, const int32_t* tokens, size_t n);
/* Forgets accepted tokens. Random numbers go on. */
ONEBIT_API onebit_status onebit_sampler_forget(onebit_sampler* sampler);

/* ---- Sessions ------------------------------------------------------------------------------------------------- */

/* One text being read and written: its tokens and their keys and values. One thread at a time, except for
 * onebit_session_cancel; a call while another uses it gives ONEBIT_ERROR_BUSY, also out of a callback. */
typedef struct onebit_session onebit_session;

enum { ONEBIT_KV_F16 = 0, ONEBIT_KV_F32 = 1, ONEBIT_KV_Q8 = 2 };

typedef struct onebit_session_options {
  size_t struct_size;
  uint32_t context; /* positions; 0: the model's own, which is also the most */
  uint32_t batch;   /* prompt tokens per forward pass, at most 65536; 0: 512 */
  int32_t kv_type;  /* ONEBIT_KV_* */
  uint32_t reserved;
} onebit_session_options;

/* Everything 0. */
ONEBIT_API onebit_status onebit_session_options_init(onebit_session_options* options, size_t struct_size);
ONEBIT_API onebit_status onebit_session_create(const onebit_model* model, const onebit_session_options* options, onebit_session** session);
ONEBIT_API void onebit_session_free(onebit_session* session);

typedef struct onebit_session_info {
  size_t struct_size;
  uint32_t tokens;    /* in the text */
  uint32_t context;   /* positions */
  uint64_t kv_bytes;  /* of keys and values of these tokens */
} onebit_session_info;

ONEBIT_API onebit_status onebit_session_get_info(const onebit_session* session, onebit_session_info* info);
ONEBIT_API onebit_status onebit_session_tokens(const onebit_session* session, int32_t* tokens, size_t capacity, size_t* count);

/* Called between batches with the share that is done. 0 goes on, anything else stops: ONEBIT_ERROR_CANCELLED, and what was
 * evaluated stays. */
typedef int32_t (*onebit_feed_progress)(void* user, double fraction);

/* Appends tokens to the text and evaluates them as a prompt. progress may be NULL. Errors: a token outside the
 * vocabulary, more than the context takes (then nothing is fed), cancelled. */
ONEBIT_API onebit_status onebit_session_feed(onebit_session* session, const int32_t* tokens, size_t n, onebit_feed_progress progress,
                                             void* user);
/* The same, with the final normalised hidden state of each token: hidden[n][embedding_size], `capacity` floats. */
ONEBIT_API onebit_status onebit_session_feed_hidden(onebit_session* session, const int32_t* tokens, size_t n, float* hidden, size_t capacity);
/* Appends one token and evaluates it as generation does (on the decode device): for callers that choose themselves. */
ONEBIT_API onebit_status onebit_session_append(onebit_session* session, int32_t token);
/* Forgets all tokens after the first `count`, which is at most the number there is. */
ONEBIT_API onebit_status onebit_session_truncate(onebit_session* session, size_t count);

/* Full-precision logits of the token after the text, [vocabulary]; the text is not empty. */
ONEBIT_API onebit_status onebit_session_logits(onebit_session* session, float* logits, size_t capacity);
/* The final normalised hidden state of the last token, [embedding_size]. */
ONEBIT_API onebit_status onebit_session_hidden(onebit_session* session, float* hidden, size_t capacity);

typedef struct onebit_token_logit {
  int32_t token;
  float logit;
} onebit_token_logit;
/* The k largest full-precision logits, best first, the lower id first among equals: top[k], k from 1 to vocabulary. *count, at
 * most k, leaves out logits that are not numbers. */
ONEBIT_API onebit_status onebit_session_top(onebit_session* session, uint32_t k, onebit_token_logit* top, uint32_t* count);

enum { ONEBIT_GENERATE_IGNORE_END = 1 /* go on past tokens that end the text */ };
enum {
  ONEBIT_FINISH_NONE = 0,    /* more may follow */
  ONEBIT_FINISH_LENGTH = 1,  /* the limit, or the context is full */
  ONEBIT_FINISH_END = 2,     /* a token that ends the text */
  ONEBIT_FINISH_STOPPED = 3  /* the callback said so */
};

/* Each token with its bytes, which may begin or end inside a UTF-8 sequence; they are valid during the call. 0 goes on,
 * anything else stops. The text, and the sampler, are in use: calls on them give ONEBIT_ERROR_BUSY. */
typedef int32_t (*onebit_on_token)(void* user, int32_t token, const char* text, size_t bytes);

/* Generates up to `limit` tokens, -1: until the context is full. A token that ends the text is part of it and is not
 * passed to on_token, unless ignored. on_token may be NULL. *finish, which may be NULL, says why it ended. */
ONEBIT_API onebit_status onebit_session_generate(onebit_session* session, onebit_sampler* sampler, int64_t limit, uint32_t flags,
                                                 onebit_on_token on_token, void* user, int32_t* finish);
/* One token: chooses, and appends it to the text, where it is evaluated. *finish is ONEBIT_FINISH_NONE; or
 * ONEBIT_FINISH_END with the token that ends the text; or ONEBIT_FINISH_LENGTH where the context is full, with no token:
 * *token is -1. */
ONEBIT_API onebit_status onebit_session_next(onebit_session* session, onebit_sampler* sampler, uint32_t flags, int32_t* token, int32_t* finish);

/* From any thread, while the session exists. The feed, generate, next or append that is running, or else the next one to
 * start, ends with ONEBIT_ERROR_CANCELLED before its next forward pass; what was evaluated stays. The request is then
 * spent. A session that waits for its model's turn sees it when its turn comes. */
ONEBIT_API onebit_status onebit_session_cancel(onebit_session* session);
/* Takes back a cancel that nothing has met yet. */
ONEBIT_API onebit_status onebit_session_clear_cancel(onebit_session* session);

/* ---- Device level: ternary matrix products --------------------------------------------------------------------- */

/* out[t][r] = sum over c of w[r][c] * x[t][c], x int8, w in {-1, 0, +1}, out int32: exact, the same integers from every
 * kind of device.
 *
 * A device may be used by any number of threads; products take turns. */
typedef struct onebit_device onebit_device;
/* A ternary matrix that a device holds. Never changes: any number of threads may use one. */
typedef struct onebit_weights onebit_weights;
/* A product under way. Any number of threads may query and wait. */
typedef struct onebit_event onebit_event;

typedef struct onebit_device_options {
  size_t struct_size;
  int32_t kind;           /* ONEBIT_DEVICE_*, not AUTO */
  uint32_t index;         /* of devices of this kind; CPU and simulator: 0 */
  uint32_t threads;       /* CPU: of the products, others: of packing; at most 1024; 0: one per CPU this process may use */
  uint32_t reserved;
  const char* isa;        /* CPU: "scalar", "avx2", ...; NULL: the best there is */
  const char* xrt_module; /* NPU: libonebit_xrt.so; NULL: beside this library or the program, or where the loader looks */
} onebit_device_options;

/* Everything 0; kind is to be set. */
ONEBIT_API onebit_status onebit_device_options_init(onebit_device_options* options, size_t struct_size);
/* ONEBIT_ERROR_UNAVAILABLE: a kind that this build does not have; ONEBIT_ERROR_DEVICE: a device that cannot be used.
 * options are needed: there is no default kind. */
ONEBIT_API onebit_status onebit_device_open(const onebit_device_options* options, onebit_device** device);
ONEBIT_API void onebit_device_free(onebit_device* device);

typedef struct onebit_device_info {
  size_t struct_size;
  const char* description; /* "array simulator (npu2)" */
  int32_t kind;
  int32_t simulated;  /* 1: times of this device say nothing about hardware */
  uint32_t max_rows, max_columns; /* of a matrix */
  uint32_t queue;     /* events that may be unfinished */
  uint32_t reserved;
} onebit_device_info;

ONEBIT_API onebit_status onebit_device_get_info(const onebit_device* device, onebit_device_info* info);

typedef struct onebit_device_stats {
  size_t struct_size;
  uint64_t products;     /* completed */
  uint64_t failures;     /* products that failed */
  uint64_t macs;         /* multiply-accumulates of completed products, without padding */
  uint64_t dispatches;   /* commands that the device completed; CPU: products */
  uint64_t reopens;
  uint64_t uploaded_bytes, downloaded_bytes; /* CPU: 0 */
  uint64_t simulated_ddr_bytes;              /* simulator only */
  uint64_t weight_bytes;                     /* of matrices that the device holds, packed */
} onebit_device_stats;

/* Waits for the product in progress. */
ONEBIT_API onebit_status onebit_device_get_stats(const onebit_device* device, onebit_device_stats* stats);

/* *lost: 1 after a failure that the device does not recover from by itself; products then fail until reopen. */
ONEBIT_API onebit_status onebit_device_is_lost(const onebit_device* device, int32_t* lost);
/* A fresh context where the last one was lost; matrices are uploaded again. ONEBIT_ERROR_STATE where it is not lost. */
ONEBIT_API onebit_status onebit_device_reopen(onebit_device* device);

/* What a command's state and the driver's errno mean on this machine, and what to do: as in messages of failed products.
 * kind: ONEBIT_DEVICE_NPU (state as in XRT's ert.h, 0: none; error_number: errno or 0). */
ONEBIT_API onebit_status onebit_device_explain(int32_t kind, uint32_t state, int32_t error_number, char* text, size_t capacity, size_t* bytes);

enum {
  ONEBIT_TERNARY_CODES = 0, /* uint8_t: 0, 1, 2 for -1, 0, +1 */
  ONEBIT_TERNARY_I8 = 1     /* int8_t: -1, 0, +1 */
};
/* Packs [rows][stride] elements, one byte each, of which `columns` count, and uploads them; data is free at return.
 * stride: in elements; 0: columns. Errors: another value than the format has (its row, column and value are named), a
 * shape the device does not take. */
ONEBIT_API onebit_status onebit_weights_create(onebit_device* device, int32_t format, uint32_t rows, uint32_t columns, const void* data,
                                               size_t stride, onebit_weights** weights);
ONEBIT_API void onebit_weights_free(onebit_weights* weights);

typedef struct onebit_weights_info {
  size_t struct_size;
  uint32_t rows, columns;
  uint64_t bytes; /* packed, on the device */
} onebit_weights_info;

ONEBIT_API onebit_status onebit_weights_get_info(const onebit_weights* weights, onebit_weights_info* info);

/* x: [tokens][x_stride], out: [tokens][out_stride], strides in elements, 0: columns and rows. At least one token. Elements
 * of out beyond the matrix's rows are not written. After a failure out holds no meaning. */
ONEBIT_API onebit_status onebit_gemm(const onebit_weights* weights, const int8_t* x, uint32_t tokens, size_t x_stride, int32_t* out,
                                     size_t out_stride);
/* The same without waiting: x and out stay valid, x unchanged and out untouched, until the event is done. Events of a
 * device end in the order of submission. ONEBIT_ERROR_BUSY where as many are unfinished as the device's queue takes. */
ONEBIT_API onebit_status onebit_gemm_submit(const onebit_weights* weights, const int8_t* x, uint32_t tokens, size_t x_stride, int32_t* out,
                                            size_t out_stride, onebit_event** event);
/* Waits, and gives the product's status, each time it is called. */
ONEBIT_API onebit_status onebit_event_wait(onebit_event* event);
/* *done: 0 or 1, without waiting. Done may also mean failed. */
ONEBIT_API onebit_status onebit_event_query(const onebit_event* event, int32_t* done);
/* Waits where the event is not done: x and out are free at return. */
ONEBIT_API void onebit_event_free(onebit_event* event);

#ifdef __cplusplus
}
#endif

#endif
