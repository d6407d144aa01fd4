// Flags that every verb running a model shares, and loading with a progress bar.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "grammar/constraint.h"
#include "verb.h"

namespace onebit::cli {

struct ModelFlags {
  std::string model;
  int64_t threads = 0, context = 0, batch = 512;
  std::string isa = "auto", kv = "f16", i2s = "auto";
  std::string device = "auto", prefill_on, decode_on, gpu_packing = "auto";
  int64_t npu_share = kShareAutomatic;
  bool strict = false, stats = false;
  bool quiet = false;

  void add_to(Flags& flags);
  // `model` is a file or the name of a model in the store. Errors: no -m, no such model, flags that do not go together.
  Result<EngineOptions> engine_options() const;
  // Errors also: those of Engine::load.
  Result<std::unique_ptr<Engine>> load() const;
  SessionOptions session() const;
  // After the work: prints where it ran (--stats, on stderr); an error where it did not run as asked (--strict).
  Status finish(const Engine& engine) const;
};

struct SamplerFlags {
  SamplerOptions options;
  int64_t seed = -1;

  void add_to(Flags& flags);
  // A negative seed draws one from the system. Errors: a logit bias that is not TOKEN(+|-)VALUE.
  Result<SamplerOptions> finish() const;

 private:
  std::string bias_;
};

// -p TEXT or -f FILE ("-": stdin); empty when neither was given.
struct PromptFlags {
  std::string prompt, file;
  void add_to(Flags& flags);
  Result<std::string> read(const Flags& flags) const;
};

// --grammar, --grammar-file, --json-schema and --json-schema-file: at most one of them.
struct GrammarFlags {
  std::string grammar, grammar_file, schema, schema_file;
  void add_to(Flags& flags);
  // Null where none was given.
  Result<std::shared_ptr<const Grammar>> read(const Flags& flags) const;
  // GBNF, whichever was given; empty where none was.
  Result<std::string> gbnf(const Flags& flags) const;
};

Result<I2sLayout> parse_i2s(const std::string& name);

}  // namespace onebit::cli
