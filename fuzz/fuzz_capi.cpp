// Any sequence of calls of the C interface, with any arguments: every call returns, a failure has a status and a message,
// outputs that a failure must not touch are untouched, and handles may be freed in any order. The model is the tiny one of
// tests, written once; the input is a program for a small machine that holds a few handles of each kind.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "capi/capi_testing.h"

namespace {

using namespace onebit;
using onebit::testing::TinyFile;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, onebit_last_error());
  std::abort();
}

// Takes values off the front of the input, zeros after its end.
class Reader {
 public:
  Reader(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  // A number, small ones and the edges more often than others.
  uint64_t number() {
    const uint8_t b = byte();
    switch (b >> 6) {
      case 0: return b & 63;
      case 1: return uint64_t{byte()} << (b & 31);
      case 2: return ~uint64_t{0} >> (b & 63);
      default: return (uint64_t{1} << (b & 63)) - 1;
    }
  }
  uint32_t u32() { return static_cast<uint32_t>(number()); }
  int32_t i32() { return static_cast<int32_t>(number()); }
  double real() {
    static constexpr double kEdges[] = {0, -0.0, 1, -1, 0.5, 1e-300, 1e300, -1e300, __builtin_inf(), -__builtin_inf(), __builtin_nan(""), 100, 40, 0.95};
    return kEdges[byte() % std::size(kEdges)];
  }
  std::string text() {
    std::string s(byte() % 32, 0);
    for (char& c : s) c = static_cast<char>(byte());
    return s;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

constexpr size_t kSlots = 3;
constexpr size_t kRoom = 600;

// Statuses are those of the header, with a message where they are errors.
onebit_status checked(onebit_status status) {
  if (std::strcmp(onebit_status_name(status), "unknown status") == 0) die("an unknown status");
  if (status != ONEBIT_OK && onebit_last_error()[0] == 0) die("an error without a message");
  if (status == ONEBIT_ERROR_INTERNAL) die("an internal error");
  return status;
}

class Machine {
 public:
  Machine(Reader reader, const char* path) : in_(reader), path_(path) {}
  ~Machine() {
    // In an order that the input chooses.
    for (int i = 0; i < 21; ++i) release(in_.byte());
    for (uint8_t kind = 0; kind < 7; ++kind)
      for (uint8_t slot = 0; slot < kSlots; ++slot) release(static_cast<uint8_t>(kind * kSlots + slot));
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void run() {
    for (int steps = 0; !in_.empty() && steps < 64; ++steps) step(in_.byte());
  }

 private:
  // A handle of its slot, or null.
  template <class T>
  T*& any(T* (&slots)[kSlots]) {
    return slots[in_.byte() % kSlots];
  }
  template <class T, class Make>
  void make(T* (&slots)[kSlots], Make&& make) {
    T*& slot = any(slots);
    if (slot) return;
    T* made = nullptr;
    const bool nowhere = in_.byte() % 16 == 15;
    const onebit_status status = checked(make(nowhere ? nullptr : &made));
    if ((status == ONEBIT_OK) != (made != nullptr)) die("a handle without success, or success without a handle");
    slot = made;
  }
  void release(uint8_t which) {
    const size_t slot = which % kSlots;
    const auto let_go = [](auto*& handle, auto free) { free(std::exchange(handle, nullptr)); };
    switch (which / kSlots % 7) {
      case 0: return let_go(models_[slot], onebit_model_free);
      case 1: return let_go(tokenizers_[slot], onebit_tokenizer_free);
      case 2: return let_go(samplers_[slot], onebit_sampler_free);
      case 3: return let_go(sessions_[slot], onebit_session_free);
      case 4: return let_go(devices_[slot], onebit_device_free);
      case 5: return let_go(weights_[slot], onebit_weights_free);
      default: return let_go(events_[slot], onebit_event_free);
    }
  }
  // An options struct: set up, with bytes of the input put into it, but no pointer.
  template <class T>
  bool options(T& o, onebit_status (*init)(T*, size_t)) {
    checked(init(&o, sizeof o));
    const uint8_t how = in_.byte();
    if (how % 8 == 7) o.struct_size = static_cast<size_t>(in_.number()) % sizeof o;
    return how % 16 != 15;
  }
  // Room for an array: none, too little or enough, and never more than there is.
  size_t capacity() {
    const uint8_t b = in_.byte();
    return b < 128 ? kRoom : b % 16;
  }
  // Values of a caller's array, and how many it says.
  size_t ids() {
    const size_t n = in_.byte() % 24;
    for (size_t i = 0; i < n; ++i) ids_[i] = in_.byte() < 240 ? in_.byte() : in_.i32();
    return n;
  }

  void step(uint8_t op) {
    switch (op % 12) {
      case 0: return load();
      case 1: return release(in_.byte());
      case 2: return model();
      case 3: return tokenizer();
      case 4: return sampler();
      case 5: return new_session();
      case 6:
      case 7: return session();
      case 8: return device();
      case 9: return upload();
      case 10: return product();
      default: return event();
    }
  }

  void load() {
    if (in_.byte() % 2) return make(tokenizers_, [&](onebit_tokenizer** out) { return onebit_tokenizer_load(in_.byte() % 8 == 7 ? nullptr : path_, out); });
    make(models_, [&](onebit_model** out) {
      onebit_model_options o;
      const bool given = options(o, onebit_model_options_init);
      o.threads = in_.byte() % 8 == 7 ? in_.u32() | 1025 : 1;
      o.prefill_device = in_.byte() % 4 ? int32_t{ONEBIT_DEVICE_CPU} : in_.i32();
      o.decode_device = in_.byte() % 4 ? int32_t{ONEBIT_DEVICE_CPU} : in_.i32();
      if (o.prefill_device == ONEBIT_DEVICE_NPU_SIM || o.prefill_device == ONEBIT_DEVICE_GPU_SIM) o.prefill_device = ONEBIT_DEVICE_CPU;  // too slow to look far
      if (o.decode_device == ONEBIT_DEVICE_NPU_SIM || o.decode_device == ONEBIT_DEVICE_GPU_SIM) o.decode_device = ONEBIT_DEVICE_CPU;
      if (in_.byte() % 8 == 7) o.npu_share = in_.i32();
      if (in_.byte() % 8 == 7) o.i2s_block = in_.i32();
      const std::string isa = in_.text();
      if (in_.byte() % 8 == 7) o.isa = isa.c_str();
      return onebit_model_load(path_, given ? &o : nullptr, out);
    });
  }

  void model() {
    const onebit_model* m = any(models_);
    switch (in_.byte() % 5) {
      case 0: {
        onebit_model_info info;
        info.struct_size = in_.byte() % 8 == 7 ? in_.byte() % sizeof info : sizeof info;
        if (checked(onebit_model_get_info(m, &info)) == ONEBIT_OK && info.vocabulary == 0) die("a model without a vocabulary");
        return;
      }
      case 1: {
        onebit_model_stats stats;
        stats.struct_size = in_.byte() % 8 == 7 ? in_.byte() % sizeof stats : sizeof stats;
        checked(onebit_model_get_stats(m, &stats));
        return;
      }
      case 2: checked(onebit_model_check_placement(m)); return;
      case 3: return make(tokenizers_, [&](onebit_tokenizer** out) { return onebit_model_tokenizer(m, out); });
      default: {
        const std::string role = in_.byte() % 2 ? "user" : in_.text(), content = in_.text();
        const onebit_chat_message messages[] = {{role.c_str(), content.data(), content.size()}, {"assistant", nullptr, in_.byte() % 8 == 7 ? 1u : 0u}};
        size_t n = 0;
        checked(onebit_chat_encode(m, messages, in_.byte() % 3, in_.byte() % 8 == 7 ? in_.u32() : in_.byte() % 4, ids_, capacity(), &n));
      }
    }
  }

  void tokenizer() {
    const onebit_tokenizer* t = any(tokenizers_);
    size_t n = 0;
    const uint32_t flags = in_.byte() % 8 == 7 ? in_.u32() : in_.byte() % 4;
    switch (in_.byte() % 5) {
      case 0: {
        const std::string text = in_.text();
        if (checked(onebit_tokenizer_encode(t, text.data(), text.size(), flags, ids_, kRoom, &n)) != ONEBIT_OK) return;
        size_t bytes = 0;
        if (checked(onebit_tokenizer_decode(t, ids_, n, ONEBIT_DECODE_SPECIAL, text_, kRoom, &bytes)) != ONEBIT_OK) die("encode gave ids that decode does not take");
        if (flags & ONEBIT_ENCODE_NO_SPECIAL && std::string_view(text_, bytes) != text) die("decode(encode(x)) is not x");
        return;
      }
      case 1: {
        const size_t count = ids();
        checked(onebit_tokenizer_decode(t, in_.byte() % 8 == 7 ? nullptr : ids_, count, flags, text_, capacity(), &n));
        return;
      }
      case 2: checked(onebit_tokenizer_piece(t, in_.i32(), flags, text_, capacity(), &n)); return;
      case 3: {
        uint32_t attributes = 0;
        checked(onebit_tokenizer_attributes(t, in_.i32(), &attributes));
        return;
      }
      default: {
        const std::string text = in_.text();
        int32_t found = 0;
        if (checked(onebit_tokenizer_find(t, text.data(), text.size(), &found)) == ONEBIT_OK && found < -1) die("an id below -1");
      }
    }
  }

  void sampler() {
    if (in_.byte() % 4 == 3) {
      onebit_sampler* s = any(samplers_);
      const size_t n = ids();
      checked(in_.byte() % 2 ? onebit_sampler_accept(s, ids_, n) : onebit_sampler_forget(s));
      return;
    }
    make(samplers_, [&](onebit_sampler** out) {
      onebit_sampler_options o;
      const bool given = options(o, onebit_sampler_options_init);
      for (double* const option : {&o.temperature, &o.top_p, &o.min_p, &o.repeat_penalty, &o.presence_penalty, &o.frequency_penalty})
        if (in_.byte() % 4 == 3) *option = in_.real();
      if (in_.byte() % 4 == 3) o.top_k = static_cast<int64_t>(in_.number());
      if (in_.byte() % 4 == 3) o.repeat_last_n = static_cast<int64_t>(in_.number());
      o.seed = in_.number();
      onebit_logit_bias biases[3];
      for (onebit_logit_bias& b : biases) b = {in_.byte(), static_cast<float>(in_.real())};
      o.logit_biases = in_.byte() % 4;
      o.logit_bias = o.logit_biases == 3 && in_.byte() % 2 ? nullptr : biases;
      return onebit_sampler_create(given ? &o : nullptr, out);
    });
  }

  void new_session() {
    const onebit_model* m = any(models_);
    make(sessions_, [&](onebit_session** out) {
      onebit_session_options o;
      const bool given = options(o, onebit_session_options_init);
      o.context = in_.byte() % 4 == 3 ? in_.u32() : 16;
      o.batch = in_.byte() % 4 == 3 ? in_.u32() : 4;
      o.kv_type = in_.byte() % 4 == 3 ? in_.i32() : in_.byte() % 3;
      return onebit_session_create(m, given ? &o : nullptr, out);
    });
  }

  struct Call {
    Machine* machine;
    onebit_session* session;
  };
  // Calls out of a callback find the session busy; others go on.
  static int32_t on_token(void* user, int32_t token, const char* text, size_t bytes) {
    const auto& c = *static_cast<Call*>(user);
    if (token < 0 || (bytes > 0 && !text)) die("a token that is none");
    if (checked(onebit_session_append(c.session, 1)) != ONEBIT_ERROR_BUSY) die("a session used twice at once");
    if (c.machine->in_.byte() % 8 == 7) checked(onebit_session_cancel(c.session));
    return c.machine->in_.byte() % 8 == 7;
  }
  static int32_t on_feed(void* user, double fraction) {
    if (!(fraction > 0 && fraction <= 1)) die("progress outside of 0 to 1");
    return static_cast<Call*>(user)->machine->in_.byte() % 8 == 7;
  }

  void session() {
    onebit_session* s = any(sessions_);
    onebit_sampler* dice = any(samplers_);
    Call call{this, s};
    size_t n = 0;
    int32_t token = 0, finish = 0;
    const uint32_t flags = in_.byte() % 8 == 7 ? in_.u32() : in_.byte() % 2;
    switch (in_.byte() % 12) {
      case 0:
      case 1: n = ids(); checked(onebit_session_feed(s, ids_, n, in_.byte() % 2 ? on_feed : nullptr, &call)); return;
      case 2: n = ids() % 3; checked(onebit_session_feed_hidden(s, ids_, n, floats_, in_.byte() % 4 == 3 ? in_.byte() : kRoom + 256)); return;
      case 3: checked(onebit_session_append(s, in_.byte() % 4 == 3 ? in_.i32() : in_.byte())); return;
      case 4: checked(onebit_session_truncate(s, in_.byte() % 4 == 3 ? static_cast<size_t>(in_.number()) : in_.byte() % 16)); return;
      case 5: checked(onebit_session_logits(s, in_.byte() % 8 == 7 ? nullptr : floats_, in_.byte() % 4 == 3 ? in_.byte() : kRoom)); return;
      case 6: checked(onebit_session_hidden(s, floats_, in_.byte() % 4 == 3 ? in_.byte() : kRoom)); return;
      case 7: {
        uint32_t count = 0, k = in_.byte() % 4 == 3 ? in_.u32() : in_.byte() % 8;
        if (checked(onebit_session_top(s, k, top_, &count)) == ONEBIT_OK && count > k) die("more than asked for");
        return;
      }
      case 8: checked(onebit_session_generate(s, dice, in_.byte() % 8 == 7 ? static_cast<int64_t>(in_.number()) : in_.byte() % 8, flags, on_token, &call, &finish)); return;
      case 9: {
        const onebit_status status = checked(onebit_session_next(s, dice, flags, &token, &finish));
        if (status == ONEBIT_OK && (token < 0) != (finish == ONEBIT_FINISH_LENGTH)) die("no token, or one too many");
        return;
      }
      case 10: checked(in_.byte() % 2 ? onebit_session_cancel(s) : onebit_session_clear_cancel(s)); return;
      default: {
        onebit_session_info info;
        info.struct_size = sizeof info;
        if (checked(onebit_session_get_info(s, &info)) != ONEBIT_OK) return;
        checked(onebit_session_tokens(s, ids_, kRoom, &n));
        if (n != info.tokens || n > info.context) die("tokens and info differ");
      }
    }
  }

  void device() {
    onebit_device* d = any(devices_);
    size_t n = 0;
    int32_t lost = 0;
    switch (in_.byte() % 6) {
      case 0: checked(onebit_device_is_lost(d, &lost)); return;
      case 1: checked(onebit_device_reopen(d)); return;
      case 2: {
        onebit_device_stats stats;
        stats.struct_size = in_.byte() % 8 == 7 ? in_.byte() % sizeof stats : sizeof stats;
        checked(onebit_device_get_stats(d, &stats));
        return;
      }
      case 3: checked(onebit_device_explain(in_.byte() % 2 ? int32_t{ONEBIT_DEVICE_NPU} : in_.i32(), in_.u32(), in_.i32(), text_, capacity(), &n)); return;
      default:
        make(devices_, [&](onebit_device** out) {
          onebit_device_options o;
          const bool given = options(o, onebit_device_options_init);
          o.kind = in_.byte() % 4 == 3 ? in_.i32() : int32_t{ONEBIT_DEVICE_CPU};
          if (o.kind == ONEBIT_DEVICE_NPU_SIM || o.kind == ONEBIT_DEVICE_GPU_SIM) o.kind = ONEBIT_DEVICE_CPU;
          o.threads = in_.byte() % 8 == 7 ? in_.u32() | 1025 : 1;
          o.index = in_.byte() % 8 == 7 ? in_.u32() : 0;
          if (in_.byte() % 4 == 3) o.isa = "scalar";
          return onebit_device_open(given ? &o : nullptr, out);
        });
    }
  }

  // Shapes that the arrays hold, or shapes that are to be refused before anything is read.
  void upload() {
    onebit_device* d = any(devices_);
    make(weights_, [&](onebit_weights** out) {
      const uint32_t rows = in_.byte() % 24, columns = in_.byte() % 24, format = in_.byte() % 8 == 7 ? in_.u32() : in_.byte() % 2;
      const size_t stride = in_.byte() % 4 == 3 ? in_.byte() % 24 : 0;
      const bool wild = in_.byte() % 8 == 7;
      for (size_t i = 0; i < sizeof elements_; ++i) elements_[i] = format == ONEBIT_TERNARY_I8 ? static_cast<uint8_t>(i % 3 - 1) : i % 3;
      if (wild) elements_[in_.byte()] = in_.byte();
      if (in_.byte() % 8 == 7) return onebit_weights_create(d, static_cast<int32_t>(format), in_.u32() | 1u << 25, columns, elements_, 0, out);
      return onebit_weights_create(d, static_cast<int32_t>(format), rows, columns, elements_, stride, out);
    });
  }

  void product() {
    const onebit_weights* w = any(weights_);
    onebit_weights_info info;
    info.struct_size = sizeof info;
    if (checked(onebit_weights_get_info(w, &info)) != ONEBIT_OK) info.rows = info.columns = 1;
    const uint32_t tokens = in_.byte() % 8;
    const size_t x_stride = in_.byte() % 4 == 3 ? in_.byte() % 24 : 0, out_stride = in_.byte() % 4 == 3 ? in_.byte() % 24 : 0;
    for (size_t i = 0; i < std::size(x_); ++i) x_[i] = static_cast<int8_t>(i * 37 + tokens);
    if (in_.byte() % 2) {
      checked(onebit_gemm(w, x_, tokens, x_stride, out_, out_stride));
      return;
    }
    make(events_, [&](onebit_event** out) { return onebit_gemm_submit(w, x_, tokens, x_stride, out_, out_stride, out); });
    // The memory is shared by all products of this machine: one at a time.
    for (onebit_event* e : events_)
      if (e && checked(onebit_event_wait(e)) != ONEBIT_OK) die("a product on the CPU failed");
  }

  void event() {
    onebit_event* e = any(events_);
    int32_t done = 0;
    if (in_.byte() % 2) checked(onebit_event_wait(e));
    else if (checked(onebit_event_query(e, &done)) == ONEBIT_OK && done != 1) die("an event that was waited for is not done");
  }

  Reader in_;
  const char* path_;
  onebit_model* models_[kSlots] = {};
  onebit_tokenizer* tokenizers_[kSlots] = {};
  onebit_sampler* samplers_[kSlots] = {};
  onebit_session* sessions_[kSlots] = {};
  onebit_device* devices_[kSlots] = {};
  onebit_weights* weights_[kSlots] = {};
  onebit_event* events_[kSlots] = {};
  int32_t ids_[kRoom] = {};
  char text_[kRoom] = {};
  float floats_[kRoom + 256] = {};
  onebit_token_logit top_[kRoom] = {};
  uint8_t elements_[24 * 24] = {};
  int8_t x_[8 * 24] = {};
  int32_t out_[8 * 24] = {};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const TinyFile file(32);
  if (!file.status()) std::abort();
  Machine(Reader(data, size), file.path()).run();
  return 0;
}
