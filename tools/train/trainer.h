// The training loop, and what a trained model is asked: perplexity of a text, a continuation.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/thread_pool.h"
#include "checkpoint.h"
#include "optimizer.h"

namespace onebit::train {

struct TrainOptions {
  std::string train_path, heldout_path;
  std::string out;               // prefix: OUT.log, OUT.last, OUT.best
  Config config;
  Schedule schedule;
  int64_t shards = 4;            // gradients of a step are summed over this many parts, in order
  int64_t sequences = 2;         // sequences of `context` tokens in a shard
  double weight_decay = 0.1;     // in the first half of the steps, none in the second
  double clip = 1.0;             // largest norm of the gradient
  int64_t eval_every = 100;
  int64_t stop = 0;              // end after this many steps of the schedule; 0 = all
  uint64_t seed = 1;
};

// Logs one line per 20 steps and per evaluation; writes OUT.last at each evaluation and OUT.best when the
// held-out loss is the lowest so far. With `from`, training begins at its weights and keeps its vocabulary.
Status train(const TrainOptions& options, const Checkpoint* from, ThreadPool& pool);

struct Score {
  double nats;       // summed negative log-likelihood
  int64_t tokens;    // over this many text tokens
};
// Non-overlapping windows of `context` tokens, each bos and the next context - 1 tokens of the text; every
// text token counts once (the last window may be shorter).
Score score_text(const Model& model, const Bpe& bpe, const std::vector<Token>& text, ThreadPool& pool);

// `count` tokens after a prompt; temperature 0 takes the likeliest. Stops at eos and when the context is full.
std::string continue_text(const Checkpoint& checkpoint, const std::string& prompt, int count, double temperature,
                          uint64_t seed);

}  // namespace onebit::train
