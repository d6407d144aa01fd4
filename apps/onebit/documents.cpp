#include "documents.h"

#include <algorithm>
#include <cctype>

namespace onebit::cli {
namespace {

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// Text as troff prints it: dashes that can be copied, no accidental requests.
std::string troff(std::string text) {
  text = replace_all(replace_all(std::move(text), "\\", "\\e"), "-", "\\-");
  if (text.starts_with('.') || text.starts_with('\'')) text.insert(0, "\\&");
  return text;
}

std::string page_name(const std::string& verb) { return "onebit-" + replace_all(verb, " ", "-"); }

std::string header(const std::string& name, const std::string& version) {
  return fmt::format(".TH {} 1 \"\" \"onebit {}\" \"User Commands\"\n", upper(name), version);
}

const char* kFooter =
    ".SH EXIT STATUS\n0: done; 1: failed, with a message on standard error; 2: wrong usage.\n";

// What shells complete after a flag.
enum class Value { none, file, model, choice, other };
Value value_of(const FlagRow& f) {
  if (f.value.empty()) return Value::none;
  if (!f.choices.empty()) return Value::choice;
  if (f.value == "MODEL") return Value::model;
  if (f.value == "FILE" || f.value == "DIR") return Value::file;
  return Value::other;
}

std::vector<std::string> top_verbs(std::span<const VerbTable> verbs) {
  std::vector<std::string> names;
  for (const VerbTable& v : verbs)
    if (const std::string first = v.name.substr(0, v.name.find(' ')); names.empty() || names.back() != first) names.push_back(first);
  return names;
}

std::string names_of(const FlagTable& t) {
  std::string out;
  for (const FlagRow& f : t.rows)
    for (const std::string& n : f.names) out += (out.empty() ? "" : " ") + n;
  return out;
}

bool takes_model(const VerbTable& v) { return v.name == "rm" || v.name == "show"; }
bool takes_file(const VerbTable& v) { return v.flags.positional_value.find("FILE") != std::string::npos || v.flags.positional_value.find("GGUF") != std::string::npos; }

std::string quoted(std::string text) { return "'" + replace_all(std::move(text), "'", "'\\''") + "'"; }

}  // namespace

std::string man_page(const VerbTable& verb, const std::string& version) {
  const FlagTable& t = verb.flags;
  std::string out = header(page_name(verb.name), version);
  out += fmt::format(".SH NAME\n{} \\- {}\n", page_name(verb.name), troff(t.summary));
  out += fmt::format(".SH SYNOPSIS\n.B {}\n.RI [ flags ]{}\n", troff(t.command), t.positional_value.empty() ? "" : " " + troff(t.positional_value));
  out += fmt::format(".SH EXAMPLE\n.EX\n{}\n.EE\n", troff(t.example));
  out += ".SH OPTIONS\n";
  if (!t.positional_value.empty()) out += fmt::format(".TP\n.I {}\n{}\n", troff(t.positional_value), troff(t.positional_help));
  for (const FlagRow& f : t.rows) {
    std::string names;
    for (const std::string& n : f.names) names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", troff(n));
    if (!f.value.empty()) names += fmt::format(" \\fI{}\\fR", troff(f.value));
    out += fmt::format(".TP\n{}\n{}{}\n", names, troff(f.help), f.fallback.empty() ? "" : fmt::format(" (default {})", troff(f.fallback)));
  }
  out += kFooter;
  out += ".SH SEE ALSO\n.BR onebit (1)\n";
  return out;
}

std::string man_overview(std::span<const VerbTable> verbs, const std::string& version) {
  std::string out = header("onebit", version);
  out += ".SH NAME\nonebit \\- run ternary language models on CPU and NPU\n";
  out += ".SH SYNOPSIS\n.B onebit\n.I verb\n.RI [ flags ]\n";
  out += ".SH DESCRIPTION\nRuns BitNet b1.58 and other language models with ternary weights from GGUF files: generation on the CPU, prompts on the CPU or\n"
         "on the XDNA 2 NPU of a Ryzen AI machine. Each verb has a page of its own and answers to \\fB\\-\\-help\\fR.\n";
  out += ".SH VERBS\n";
  for (const VerbTable& v : verbs) out += fmt::format(".TP\n.BR {} (1)\n{}\n", troff(page_name(v.name)), troff(v.flags.summary));
  out += kFooter;
  out += ".SH FILES\n.TP\n.I ~/.local/share/onebit/models\nmodels that were pulled; ONEBIT_MODELS or XDG_DATA_HOME name another place\n"
         ".TP\n.I /usr/share/onebit/models\nmodels of the system\n";
  return out;
}

std::string bash_completion(std::span<const VerbTable> verbs) {
  std::string out =
      "# bash completion for onebit\n"
      "_onebit() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} flags= values= words=\n"
      "  COMPREPLY=()\n";
  out += "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n";
  std::string all;
  for (const std::string& v : top_verbs(verbs)) all += v + " ";
  out += fmt::format("    mapfile -t COMPREPLY < <(compgen -W '{}--help --version' -- \"$current\")\n    return\n  fi\n", all);
  // Sub-verbs become part of the verb's name.
  std::string groups;
  for (const VerbTable& v : verbs)
    if (const size_t space = v.name.find(' '); space != std::string::npos && groups.find(v.name.substr(0, space)) == std::string::npos) groups += v.name.substr(0, space);
  if (!groups.empty()) {
    std::string subs;
    for (const VerbTable& v : verbs)
      if (v.name.starts_with(groups + " ")) subs += (subs.empty() ? "" : " ") + v.name.substr(groups.size() + 1);
    out += fmt::format("  if [ \"$verb\" = {} ]; then\n    if [ \"$COMP_CWORD\" -eq 2 ]; then\n      mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$current\")\n      return\n    fi\n    verb=\"$verb ${{COMP_WORDS[2]}}\"\n  fi\n",
                       groups, subs);
  }
  out += "  case $verb in\n";
  for (const VerbTable& v : verbs) {
    out += fmt::format("    {})\n      flags={}\n", quoted(v.name), quoted(names_of(v.flags)));
    if (takes_model(v)) out += "      words=models\n";
    if (takes_file(v)) out += "      words=files\n";
    out += "      case $previous in\n";
    for (const FlagRow& f : v.flags.rows) {
      std::string names, choices;
      for (const std::string& n : f.names) names += (names.empty() ? "" : "|") + n;
      for (const std::string& c : f.choices) choices += (choices.empty() ? "" : " ") + c;
      switch (value_of(f)) {
        case Value::none: break;
        case Value::choice: out += fmt::format("        {}) values={} ;;\n", names, quoted(choices)); break;
        case Value::model: out += fmt::format("        {}) values=models ;;\n", names); break;
        case Value::file: out += fmt::format("        {}) values=files ;;\n", names); break;
        case Value::other: out += fmt::format("        {}) values=any ;;\n", names); break;
      }
    }
    out += "      esac ;;\n";
  }
  out +=
      "  esac\n"
      "  if [ -z \"$values\" ]; then\n"
      "    case $current in\n"
      "      -*) mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$current\"); return ;;\n"
      "      *) values=$words ;;\n"
      "    esac\n"
      "  fi\n"
      "  case $values in\n"
      "    '' | any) ;;\n"
      "    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;\n"
      "    models)\n"
      "      compopt -o filenames\n"
      "      mapfile -t COMPREPLY < <(compgen -W \"$(onebit list --filter installed --quiet 2>/dev/null)\" -- \"$current\"; compgen -f -- \"$current\") ;;\n"
      "    *) mapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"$current\") ;;\n"
      "  esac\n"
      "}\n"
      "complete -F _onebit onebit\n";
  return out;
}

std::string zsh_completion(std::span<const VerbTable> verbs) {
  // In a spec of _arguments brackets and colons are syntax.
  const auto plain = [](std::string s) { return replace_all(replace_all(replace_all(std::move(s), "[", "("), "]", ")"), ":", ";"); };
  std::string out =
      "#compdef onebit\n"
      "_onebit_models() {\n"
      "  local -a models\n"
      "  models=(${(f)\"$(onebit list --filter installed --quiet 2>/dev/null)\"})\n"
      "  _alternative 'models:model:compadd -a models' 'files:file:_files'\n"
      "}\n"
      "_onebit() {\n"
      "  local -a verbs\n"
      "  if (( CURRENT == 2 )); then\n    verbs=(\n";
  std::vector<std::string> groups;
  for (const std::string& top : top_verbs(verbs)) {
    const auto it = std::find_if(verbs.begin(), verbs.end(), [&top](const VerbTable& v) { return v.name == top; });
    if (it == verbs.end()) groups.push_back(top);
    out += fmt::format("      {}\n", quoted(top + (it == verbs.end() ? "" : ":" + plain(it->flags.summary))));
  }
  out += "    )\n    _describe verb verbs\n    return\n  fi\n  local verb=$words[2]\n";
  for (const std::string& group : groups) {
    out += fmt::format("  if [[ $verb == {} ]]; then\n    if (( CURRENT == 3 )); then\n      verbs=(\n", group);
    for (const VerbTable& v : verbs)
      if (v.name.starts_with(group + " ")) out += fmt::format("        {}\n", quoted(v.name.substr(group.size() + 1) + ":" + plain(v.flags.summary)));
    out += "      )\n      _describe sub-verb verbs\n      return\n    fi\n    verb=\"$verb $words[3]\"\n    shift words; (( CURRENT-- ))\n  fi\n";
  }
  out += "  shift words; (( CURRENT-- ))\n  case $verb in\n";
  for (const VerbTable& v : verbs) {
    out += fmt::format("    {})\n      _arguments", quoted(v.name));
    for (const FlagRow& f : v.flags.rows) {
      std::string value, choices;
      for (const std::string& c : f.choices) choices += (choices.empty() ? "" : " ") + c;
      switch (value_of(f)) {
        case Value::none: break;
        case Value::choice: value = ":value:(" + choices + ")"; break;
        case Value::model: value = ":model:_onebit_models"; break;
        case Value::file: value = ":file:_files"; break;
        case Value::other: value = ":" + plain(f.value) + ":"; break;
      }
      for (const std::string& n : f.names) out += fmt::format(" \\\n        {}", quoted(fmt::format("{}[{}]{}", n, plain(f.help), value)));
    }
    if (takes_model(v)) out += " \\\n        '*:model:_onebit_models'";
    if (takes_file(v)) out += " \\\n        '*:file:_files'";
    out += " ;;\n";
  }
  out += "  esac\n}\n_onebit \"$@\"\n";
  return out;
}

std::string fish_completion(std::span<const VerbTable> verbs) {
  const auto fish = [](std::string s) { return "'" + replace_all(replace_all(std::move(s), "\\", "\\\\"), "'", "\\'") + "'"; };
  std::string all;
  for (const std::string& v : top_verbs(verbs)) all += (all.empty() ? "" : " ") + v;
  std::string out = "# fish completion for onebit\ncomplete -c onebit -f\n";
  for (const std::string& top : top_verbs(verbs)) {
    const auto it = std::find_if(verbs.begin(), verbs.end(), [&top](const VerbTable& v) { return v.name == top; });
    out += fmt::format("complete -c onebit -n 'not __fish_seen_subcommand_from {}' -a {}{}\n", all, top, it == verbs.end() ? "" : " -d " + fish(it->flags.summary));
  }
  for (const VerbTable& v : verbs) {
    const size_t space = v.name.find(' ');
    std::string seen = "__fish_seen_subcommand_from " + v.name.substr(0, space);
    if (space != std::string::npos) {
      const std::string sub = v.name.substr(space + 1);
      out += fmt::format("complete -c onebit -n '{}' -a {} -d {}\n", seen, sub, fish(v.flags.summary));
      seen += "; and __fish_seen_subcommand_from " + sub;
    }
    for (const FlagRow& f : v.flags.rows) {
      std::string names, choices;
      // fish has one-letter flags, long ones, and long ones with a single dash.
      for (const std::string& n : f.names) names += n.starts_with("--") ? " -l " + n.substr(2) : n.size() == 2 ? " -s " + n.substr(1) : " -o " + n.substr(1);
      for (const std::string& c : f.choices) choices += (choices.empty() ? "" : " ") + c;
      std::string value;
      switch (value_of(f)) {
        case Value::none: break;
        case Value::choice: value = " -x -a " + fish(choices); break;
        case Value::model: value = " -r -F -a '(onebit list --filter installed --quiet 2>/dev/null)'"; break;
        case Value::file: value = " -r -F"; break;
        case Value::other: value = " -x"; break;
      }
      out += fmt::format("complete -c onebit -n '{}'{}{} -d {}\n", seen, names, value, fish(f.help));
    }
    if (takes_model(v)) out += fmt::format("complete -c onebit -n '{}' -a '(onebit list --filter installed --quiet 2>/dev/null)'\n", seen);
    if (takes_file(v)) out += fmt::format("complete -c onebit -n '{}' -F\n", seen);
  }
  return out;
}

}  // namespace onebit::cli
