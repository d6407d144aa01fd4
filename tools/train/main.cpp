// onebit-train: trains a ternary model, scores and samples it, writes it as GGUF.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/file.h"
#include "flags.h"
#include "trainer.h"

namespace onebit::train {
namespace {

struct Options {
  TrainOptions train;
  int64_t threads = 0;
  bool bf16 = false;
  std::string from, checkpoint, eval_path, export_path, name = "onebit", prompt;
  int64_t count = 200;
  double temperature = 0.8;
  int64_t seed = 1;
  int64_t layers = 6, dim = 256, heads = 4, kv_heads = 2, ffn = 768, vocab = 4096, context = 512;
};

void add_flags(cli::Flags& flags, Options& o) {
  flags.text("--corpus", "FILE", "training text; an empty line ends a document", &o.train.train_path);
  flags.text("--heldout", "FILE", "text that is only scored", &o.train.heldout_path);
  flags.text("--out", "PREFIX", "writes PREFIX.log, PREFIX.last, PREFIX.best", &o.train.out);
  flags.integer("--steps", "steps of the optimizer", &o.train.schedule.steps, 1, 10000000);
  flags.integer("--stop", "end after this many of them; 0 = all", &o.train.stop, 0, 10000000);
  flags.text("--from", "FILE", "begin at this checkpoint, with fresh optimizer state", &o.from);
  flags.integer("--warmup", "steps with a rising learning rate", &o.train.schedule.warmup, 1, 1000000);
  flags.real("--rate", "highest learning rate", &o.train.schedule.peak, 0, 1);
  flags.real("--weight-decay", "in the first half of the steps", &o.train.weight_decay, 0, 10);
  flags.real("--clip", "largest norm of the gradient", &o.train.clip, 1e-6, 1e9);
  flags.integer("--shards", "parts of a step, spread over the threads", &o.train.shards, 1, 64);
  flags.integer("--sequences", "sequences in a shard", &o.train.sequences, 1, 64);
  flags.integer("--eval-every", "steps between evaluations", &o.train.eval_every, 1, 1000000);
  flags.integer("--dim", "model width", &o.dim, 256, 4096);
  flags.integer("--layers", "layers", &o.layers, 1, 128);
  flags.integer("--heads", "attention heads", &o.heads, 1, 64);
  flags.integer("--kv-heads", "key/value heads", &o.kv_heads, 1, 64);
  flags.integer("--ffn", "width of the feed-forward network", &o.ffn, 256, 16384);
  flags.integer("--vocab", "tokens, with 256 bytes and 2 special", &o.vocab, 258, 65536);
  flags.integer("--context", "tokens of a sequence", &o.context, 16, 8192);
  flags.integer("--seed", "seed of initialisation, order and sampling", &o.seed, 0, INT64_MAX);
  flags.integer("--threads", "0 = all CPUs; results do not depend on it", &o.threads, 0, 256);
  flags.toggle("--bf16", "train with products of bf16 (needs a CPU with AMX); --eval is always f32", &o.bf16);
  flags.text("--checkpoint", "FILE", "use this model instead of training one", &o.checkpoint);
  flags.text("--eval", "FILE", "with --checkpoint: perplexity of a text", &o.eval_path);
  flags.text("--sample", "TEXT", "with --checkpoint: continue this text", &o.prompt);
  flags.integer("--count", "tokens to sample", &o.count, 1, 8192);
  flags.real("--temp", "temperature of sampling; 0 = greedy", &o.temperature, 0, 100);
  flags.text("--export", "FILE", "with --checkpoint: write a GGUF", &o.export_path);
  flags.text("--name", "NAME", "general.name of the GGUF", &o.name);
}

Result<Config> network(const Options& o) {
  if (o.dim % 256 != 0 || o.ffn % 256 != 0)
    return fail(Errc::usage, "--dim {} and --ffn {} must be multiples of 256, the block of ternary rows", o.dim, o.ffn);
  if (o.dim % (2 * o.heads) != 0 || o.heads % o.kv_heads != 0)
    return fail(Errc::usage, "--dim {}, --heads {}, --kv-heads {}: dim / heads must be even and heads / kv-heads whole",
                o.dim, o.heads, o.kv_heads);
  const auto i32 = [](int64_t v) { return static_cast<int32_t>(v); };
  Config c;
  c.vocab = i32(o.vocab);
  c.dim = i32(o.dim);
  c.layers = i32(o.layers);
  c.heads = i32(o.heads);
  c.kv_heads = i32(o.kv_heads);
  c.ffn = i32(o.ffn);
  c.context = i32(o.context);
  return c;
}

Status evaluate(const Checkpoint& checkpoint, const std::string& path, ThreadPool& pool) {
  ONEBIT_ASSIGN(const std::string text, read_text(path, size_t{1} << 30));
  ONEBIT_TRY(check_ascii(text, path));
  const auto tokens = checkpoint.bpe.encode(text);
  if (tokens.empty()) return fail(Errc::out_of_range, "{}: has no text", path);
  const Score score = score_text(checkpoint.model, checkpoint.bpe, tokens, pool);
  const double loss = score.nats / static_cast<double>(score.tokens);
  fmt::print("tokens {} loss {:.6f} perplexity {:.5f} bits/byte {:.5f}\n", score.tokens, loss, std::exp(loss),
             score.nats / std::log(2.0) / static_cast<double>(text.size()));
  return {};
}

Status run_training(Options& o, ThreadPool& pool) {
  if (o.train.train_path.empty() || o.train.heldout_path.empty() || o.train.out.empty())
    return fail(Errc::usage, "--corpus, --heldout and --out are needed to train, --checkpoint for anything else");
  if (o.bf16 && !bf16_available()) return fail(Errc::unsupported, "--bf16: this CPU or this build has no AMX tiles");
  use_bf16(o.bf16);
  o.train.seed = static_cast<uint64_t>(o.seed);
  if (o.from.empty()) {
    ONEBIT_ASSIGN(o.train.config, network(o));
    return train(o.train, nullptr, pool);
  }
  ONEBIT_ASSIGN(const Checkpoint from, load_checkpoint(o.from));
  o.train.config = from.model.config();
  return train(o.train, &from, pool);
}

Status run(cli::Flags& flags, Options& o) {
  ThreadPool pool(static_cast<unsigned>(o.threads));
  if (o.checkpoint.empty()) return run_training(o, pool);
  ONEBIT_ASSIGN(const Checkpoint checkpoint, load_checkpoint(o.checkpoint));
  if (!o.eval_path.empty()) ONEBIT_TRY(evaluate(checkpoint, o.eval_path, pool));
  if (flags.given("--sample"))
    fmt::print("{}\n", continue_text(checkpoint, o.prompt, static_cast<int>(o.count), o.temperature,
                                     static_cast<uint64_t>(o.seed)));
  if (!o.export_path.empty()) ONEBIT_TRY(export_gguf(o.export_path, o.name, checkpoint));
  return {};
}

}  // namespace
}  // namespace onebit::train

int main(int argc, char** argv) {
  using namespace onebit;
  train::Options options;
  cli::Flags flags("onebit-train", "train a ternary language model",
                   "onebit-train --corpus train.txt --heldout heldout.txt --out run --steps 2000");
  train::add_flags(flags, options);
  const std::vector<const char*> args(argv + 1, argv + argc);
  Status status = flags.parse(args);
  if (flags.help_wanted()) {
    fmt::print("{}", flags.help());
    return 0;
  }
  if (status) status = train::run(flags, options);
  if (status) return 0;
  fmt::print(stderr, "onebit-train: {}\n", status.error().message);
  return status.error().code == Errc::usage ? 2 : 1;
}
