// Vocabularies for synthetic models: made up, but complete, so that any text encodes.
#pragma once

#include <cstdint>

#include "format/gguf.h"

namespace onebit::cli {

// 256 byte tokens, merges of letters, special tokens at the end (byte-pair encoding, model "gpt2").
void add_bpe_vocab(GgufWriter& writer, uint64_t size, const char* pre);

// <unk>, <s>, </s>, 256 byte tokens, then pieces of letters (model "llama").
void add_spm_vocab(GgufWriter& writer, uint64_t size);

// Both need at least this many tokens, and can make at most kMaxSynthVocab.
constexpr int64_t kMinSynthVocab = 384, kMaxSynthVocab = 400000;

}  // namespace onebit::cli
