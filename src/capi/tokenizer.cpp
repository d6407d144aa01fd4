// Tokenizers: of a file or of a model; text to ids and back.
#include "capi/handles.h"

namespace onebit::capi {
namespace {

onebit_tokenizer* handle(std::shared_ptr<const Tokenizer> tokenizer) {
  auto t = std::make_unique<onebit_tokenizer>();
  t->kind = tokenizer->kind();
  t->tokenizer = std::move(tokenizer);
  return t.release();
}

Outcome known_token(const Tokenizer& tokenizer, int32_t token) {
  if (token >= 0 && static_cast<size_t>(token) < tokenizer.size()) return {};
  return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "token id {}, expected 0 to {}", token, tokenizer.size() - 1);
}

}  // namespace
}  // namespace onebit::capi

using namespace onebit;
using namespace onebit::capi;

extern "C" {

onebit_status onebit_tokenizer_load(const char* path, onebit_tokenizer** tokenizer) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(path);
    ONEBIT_NEEDED(tokenizer);
    ONEBIT_ASSIGN(const Gguf file, Gguf::open(path));
    auto t = Tokenizer::from_gguf(file);
    if (!t) return with_context(t.error(), path);
    *tokenizer = handle(std::make_shared<const Tokenizer>(std::move(*t)));
    return {};
  });
}

onebit_status onebit_model_tokenizer(const onebit_model* model, onebit_tokenizer** tokenizer) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(model);
    ONEBIT_NEEDED(tokenizer);
    *tokenizer = handle({model->shared, &model->shared->engine->tokenizer()});
    return {};
  });
}

void onebit_tokenizer_free(onebit_tokenizer* tokenizer) { delete tokenizer; }

onebit_status onebit_tokenizer_get_info(const onebit_tokenizer* tokenizer, onebit_tokenizer_info* info) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(tokenizer);
    const Tokenizer& t = *tokenizer->tokenizer;
    return write_info(info, onebit_tokenizer_info{.struct_size = 0,
                                                  .kind = tokenizer->kind.c_str(),
                                                  .size = static_cast<uint32_t>(t.size()),
                                                  .bos = t.bos(),
                                                  .eos = t.eos(),
                                                  .adds_bos = t.add_bos()});
  });
}

onebit_status onebit_tokenizer_encode(const onebit_tokenizer* tokenizer, const char* text, size_t bytes, uint32_t flags, int32_t* tokens,
                                      size_t capacity, size_t* count) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(tokenizer);
    ONEBIT_TRY(known_flags(flags, ONEBIT_ENCODE_NO_SPECIAL | ONEBIT_ENCODE_PLAIN, "onebit_tokenizer_encode"));
    ONEBIT_ASSIGN(const auto span, read_array(text, bytes, "text"));
    const EncodeOptions options{.add_special = !(flags & ONEBIT_ENCODE_NO_SPECIAL), .parse_special = !(flags & ONEBIT_ENCODE_PLAIN)};
    ONEBIT_ASSIGN(const std::vector<Token> ids, tokenizer->tokenizer->encode({span.data(), span.size()}, options));
    return write_array(std::span<const Token>(ids), tokens, capacity, count);
  });
}

onebit_status onebit_tokenizer_decode(const onebit_tokenizer* tokenizer, const int32_t* tokens, size_t n, uint32_t flags, char* text,
                                      size_t capacity, size_t* bytes) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(tokenizer);
    ONEBIT_TRY(known_flags(flags, ONEBIT_DECODE_SPECIAL, "onebit_tokenizer_decode"));
    ONEBIT_ASSIGN(const auto ids, read_array(tokens, n, "tokens"));
    for (const Token id : ids) ONEBIT_TRY(known_token(*tokenizer->tokenizer, id));
    return write_text(tokenizer->tokenizer->decode(ids, flags & ONEBIT_DECODE_SPECIAL), text, capacity, bytes);
  });
}

onebit_status onebit_tokenizer_piece(const onebit_tokenizer* tokenizer, int32_t token, uint32_t flags, char* text, size_t capacity,
                                     size_t* bytes) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(tokenizer);
    ONEBIT_TRY(known_flags(flags, ONEBIT_DECODE_SPECIAL, "onebit_tokenizer_piece"));
    ONEBIT_TRY(known_token(*tokenizer->tokenizer, token));
    return write_text(tokenizer->tokenizer->piece(token, flags & ONEBIT_DECODE_SPECIAL), text, capacity, bytes);
  });
}

onebit_status onebit_tokenizer_attributes(const onebit_tokenizer* tokenizer, int32_t token, uint32_t* attributes) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(tokenizer);
    ONEBIT_NEEDED(attributes);
    const Tokenizer& t = *tokenizer->tokenizer;
    ONEBIT_TRY(known_token(t, token));
    *attributes = (t.is_end(token) ? ONEBIT_TOKEN_END : 0) | (t.is_control(token) ? ONEBIT_TOKEN_CONTROL : 0);
    return {};
  });
}

onebit_status onebit_tokenizer_find(const onebit_tokenizer* tokenizer, const char* text, size_t bytes, int32_t* token) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(tokenizer);
    ONEBIT_NEEDED(token);
    ONEBIT_ASSIGN(const auto span, read_array(text, bytes, "text"));
    *token = tokenizer->tokenizer->find({span.data(), span.size()});
    return {};
  });
}

}
