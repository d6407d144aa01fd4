// One table of flags per verb: parsing with ranges, --help with an example. Spellings follow llama.cpp:
// a long name with one dash or two ("-temp", "--temp"), "--name value" or "--name=value".
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit::cli {

// The table behind --help as data, for man pages and completions of shells.
struct FlagRow {
  std::vector<std::string> names;
  std::string value;     // empty for a toggle
  std::string help, fallback;
  std::vector<std::string> choices;  // of a flag that takes one of a list
};
struct FlagTable {
  std::string command, summary, example;
  std::string positional_value, positional_help;  // empty: no arguments without a dash
  std::vector<FlagRow> rows;
};

class Flags {
 public:
  // command: "onebit run"; summary: one line; example: a whole command line.
  Flags(std::string command, std::string summary, std::string example);

  // names: "-m,--model". The default shown in --help is the target's value when the flag is added.
  void text(std::string names, std::string value, std::string help, std::string* target);
  void toggle(std::string names, std::string help, bool* target);
  void integer(std::string names, std::string help, int64_t* target, int64_t min, int64_t max);
  void real(std::string names, std::string help, double* target, double min, double max);
  // Comma list of integers, each in range; given again, the flag replaces the list.
  void integers(std::string names, std::string help, std::vector<int64_t>* target, int64_t min, int64_t max);
  // One of `choices`.
  void choice(std::string names, std::string help, std::string* target, std::vector<std::string> choices);
  // Arguments without a dash go here, in order; without this call they are an error.
  void positional(std::string value, std::string help, std::vector<std::string>* target, size_t max);

  // Every flag may also be set by a variable: PREFIX and its longest name in capitals ("ONEBIT_CTX_SIZE" for --ctx-size);
  // a toggle by 1, true, 0 or false. What stands on the command line wins.
  void environment(std::string prefix) { environment_ = std::move(prefix); }

  // Errors (Errc::usage) name the flag, the value and what was expected. `help_wanted()` is true after
  // -h or --help.
  Status parse(std::span<const char* const> args);
  bool help_wanted() const { return help_wanted_; }
  std::string help() const;
  FlagTable table() const;
  // True when the user gave the flag that has this name.
  bool given(std::string_view name) const;

 private:
  struct Flag {
    std::vector<std::string> names;
    std::string value;  // empty for a toggle
    std::string help;
    std::string fallback;
    std::function<Status(const std::string& name, const std::string& text)> set;
    bool given = false;
  };
  Flag* find(std::string_view name);
  void add(std::string names, std::string value, std::string help, std::string fallback,
           std::function<Status(const std::string&, const std::string&)> set);

  std::string variable(const Flag& flag) const;
  Status read_environment();

  std::string command_, summary_, example_, environment_;
  std::vector<Flag> flags_;
  std::string positional_value_, positional_help_;
  std::vector<std::string>* positional_ = nullptr;
  size_t positional_max_ = 0;
  bool help_wanted_ = false;
};

}  // namespace onebit::cli
