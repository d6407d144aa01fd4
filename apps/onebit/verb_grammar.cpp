// onebit grammar: JSON Schema as GBNF, and whether texts are of a grammar.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "grammar/json_schema.h"
#include "grammar/matcher.h"
#include "model_flags.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kMaxBytes = size_t{1} << 26;

Result<bool> accepts(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  Matcher m(grammar);
  Matcher::StateId s = m.start();
  for (const char c : text) {
    s = m.step(s, static_cast<uint8_t>(c));
    m.collect(s);
  }
  ONEBIT_TRY(m.status());
  return m.accepting(s);
}

Result<Json> one_case(const Json& c) {
  std::string gbnf = c.value("grammar", std::string());
  if (c.contains("schema")) {
    ONEBIT_ASSIGN(gbnf, json_schema_to_gbnf(c["schema"]));
  }
  ONEBIT_ASSIGN(const auto grammar, Grammar::parse(gbnf));
  Json out = Json::array();
  for (const Json& t : c.value("texts", Json::array())) {
    if (!t.is_string()) return fail(Errc::format, "--cases: a text that is no string");
    ONEBIT_ASSIGN(const bool yes, accepts(grammar, t.get_ref<const std::string&>()));
    out.push_back(yes);
  }
  return out;
}

Status run_cases(const std::string& file) {
  ONEBIT_ASSIGN(const std::string text, read_text(file, kMaxBytes));
  const Json cases = Json::parse(text, nullptr, false);
  if (!cases.is_array()) return fail(Errc::format, "{}: expected an array of {{schema or grammar, texts}}", file);
  Json out = Json::array();
  for (const Json& c : cases) {
    if (!c.is_object()) return fail(Errc::format, "{}: expected an array of {{schema or grammar, texts}}", file);
    auto accepted = one_case(c);
    out.push_back(accepted ? Json{{"accepted", std::move(*accepted)}} : Json{{"error", accepted.error().message}});
  }
  fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
  return {};
}

Status run(std::span<const char* const> args) {
  GrammarFlags grammar;
  std::string file, cases;
  Flags flags("onebit grammar", grammar_verb.summary, "onebit grammar --json-schema '{\"type\": \"integer\", \"minimum\": 5}'");
  grammar.add_to(flags);
  flags.text("-f,--file", "FILE", "say whether the text of this file is of the grammar, exit status 1 where it is not; -: stdin", &file);
  flags.text("--cases", "FILE", "an array of {schema or grammar, texts}; print an array of results; -: stdin", &cases);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (!cases.empty()) return run_cases(cases);
  ONEBIT_ASSIGN(const std::string gbnf, grammar.gbnf(flags));
  if (gbnf.empty()) return fail(Errc::usage, "--grammar, --grammar-file, --json-schema or --json-schema-file: one of them is needed");
  ONEBIT_ASSIGN(const auto compiled, Grammar::parse(gbnf));
  if (file.empty()) {
    fmt::print("{}{}", gbnf, gbnf.ends_with('\n') ? "" : "\n");
    return {};
  }
  ONEBIT_ASSIGN(const std::string text, read_text(file, kMaxBytes));
  ONEBIT_ASSIGN(const bool yes, accepts(compiled, text));
  if (!yes) return fail(Errc::format, "{}: the text is not of the grammar", file);
  fmt::print("the text is of the grammar\n");
  return {};
}

}  // namespace

const Verb grammar_verb{"grammar", "JSON Schema as GBNF; whether a text is of a grammar", run};

}  // namespace onebit::cli
