// A verb of the command line: one file `verb_NAME.cpp` each, listed in main.cpp.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "flags.h"

namespace onebit::cli {

struct Verb {
  const char* name;
  const char* summary;
  // Arguments after the verb. An Errc::usage error gives exit status 2, any other error 1; both are
  // printed on stderr as "onebit NAME: MESSAGE".
  Status (*run)(std::span<const char* const> args);
  // Names of sub-verbs; nullptr: none.
  std::vector<const char*> (*sub_verbs)() = nullptr;
};

// Parses; prints help and sets *done when the user asked for it. While a recorder is set, it gets the table instead and nothing is
// parsed or run.
Status parse_flags(Flags& flags, std::span<const char* const> args, bool* done);
using FlagRecorder = std::function<void(const Flags&)>;
void record_flags(FlagRecorder recorder);

// A progress line on stderr while it is a terminal; silent otherwise. `fraction` in 0..1.
class Progress {
 public:
  explicit Progress(const char* what, bool enabled = true);
  ~Progress();
  void update(double fraction);

 private:
  const char* what_;
  bool shown_;
  int last_ = -1;
};

extern const Verb run_verb, chat_verb, bench_verb, info_verb, quantize_verb, perplexity_verb, tokenize_verb,
    template_verb, grammar_verb, synth_verb, logits_verb, npu_verb, doctor_verb, roofline_verb, serve_verb, pull_verb,
    list_verb, show_verb, rm_verb, validate_verb, version_verb;

}  // namespace onebit::cli
