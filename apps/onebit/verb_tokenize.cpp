// onebit tokenize: text to token ids, and back with --decode.
#include <charconv>
#include <cstdio>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "text/tokenizer.h"
#include "text/utf8.h"
#include "verb.h"

namespace onebit::cli {
namespace {

constexpr size_t kMaxInputBytes = size_t{1} << 30;

struct Options {
  std::string model, prompt, file;
  bool ids = false, decode = false, lines = false, json = false;
  bool no_special = false, no_parse_special = false;
};

void write_out(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void write_json(const nlohmann::ordered_json& value) {
  // Pieces may be parts of a character; JSON text cannot hold those bytes.
  write_out(value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

// A piece on one line: control characters and bytes that are no UTF-8 as escapes.
std::string escaped(std::string_view piece) {
  std::string out = "'";
  for (size_t i = 0; i < piece.size();) {
    const size_t n = utf8_length(piece, i);
    const uint8_t b = static_cast<uint8_t>(piece[i]);
    if (piece[i] == '\n')
      out += "\\n";
    else if (piece[i] == '\\' || piece[i] == '\'')
      out += {'\\', piece[i]};
    else if (n == 0 || b < 0x20 || b == 0x7F)
      out += fmt::format("\\x{:02x}", b);
    else
      out.append(piece.substr(i, n));
    i += n ? n : 1;
  }
  return out + "'";
}

Result<std::vector<Token>> parse_ids(std::string_view text, size_t vocabulary) {
  constexpr std::string_view kSeparators = " ,\t\r\n[]";
  std::vector<Token> ids;
  for (size_t at = text.find_first_not_of(kSeparators); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    Token id = -1;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc{} || rest != word.data() + word.size() || id < 0 || static_cast<size_t>(id) >= vocabulary)
      return fail(Errc::out_of_range, "'{}' is not a token id from 0 to {}", word.substr(0, 64), vocabulary - 1);
    ids.push_back(id);
    at = text.find_first_not_of(kSeparators, end);
  }
  return ids;
}

Status encode_one(const Tokenizer& tokenizer, const Options& o, std::string_view text) {
  ONEBIT_ASSIGN(const std::vector<Token> ids,
                tokenizer.encode(text, {.add_special = !o.no_special, .parse_special = !o.no_parse_special}));
  if (o.json) {
    nlohmann::ordered_json pieces = nlohmann::ordered_json::array();
    for (const Token id : ids) pieces.push_back(tokenizer.piece(id, true));
    write_json({{"ids", ids}, {"pieces", std::move(pieces)}});
  } else if (o.ids) {
    write_out(fmt::format("{}\n", fmt::join(ids, " ")));
  } else {
    for (const Token id : ids) write_out(fmt::format("{:>6} {}\n", id, escaped(tokenizer.piece(id, true))));
  }
  return {};
}

// The inverse of encode_one under the same flags: the BOS that the tokenizer would add is left out.
Status decode_one(const Tokenizer& tokenizer, const Options& o, std::string_view line) {
  ONEBIT_ASSIGN(const std::vector<Token> ids, parse_ids(line, tokenizer.size()));
  std::span<const Token> rest = ids;
  if (!o.no_special && tokenizer.add_bos() && !rest.empty() && rest.front() == tokenizer.bos()) rest = rest.subspan(1);
  const std::string text = tokenizer.decode(rest, true);
  if (o.json)
    write_json({{"text", text}});
  else
    write_out(o.lines ? text + "\n" : text);
  return {};
}

Status process(const Tokenizer& tokenizer, const Options& o, std::string_view input) {
  const auto one = o.decode ? decode_one : encode_one;
  if (!o.lines) return one(tokenizer, o, input);
  for (size_t at = 0; at < input.size();) {
    const size_t end = std::min(input.find('\n', at), input.size());
    ONEBIT_TRY(one(tokenizer, o, input.substr(at, end - at)));
    at = end + 1;
  }
  return {};
}

Status run(std::span<const char* const> args) {
  Options o;
  Flags flags("onebit tokenize", tokenize_verb.summary, "onebit tokenize -m model.gguf -p 'Hello world' --ids");
  flags.text("-m,--model", "FILE", "the GGUF file whose tokenizer to use", &o.model);
  flags.text("-p,--prompt", "TEXT", "the input; without -p and -f it is standard input", &o.prompt);
  flags.text("-f,--file", "FILE", "a file with the input", &o.file);
  flags.toggle("--ids", "print only the ids, separated by spaces, one line per input", &o.ids);
  flags.toggle("--decode", "the input is ids; write the exact bytes of their text", &o.decode);
  flags.toggle("--lines", "each line is an input of its own", &o.lines);
  flags.toggle("--no-special", "do not add BOS or EOS", &o.no_special);
  flags.toggle("--no-parse-special", "text such as <|eot_id|> is plain text", &o.no_parse_special);
  flags.toggle("--json", "one JSON object per input", &o.json);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (o.model.empty()) return fail(Errc::usage, "-m: a model file is needed (see 'onebit tokenize --help')");
  if (flags.given("-p") && flags.given("-f")) return fail(Errc::usage, "-p and -f: give one of them");

  ONEBIT_ASSIGN(const Gguf gguf, Gguf::open(o.model));
  ONEBIT_ASSIGN(const Tokenizer tokenizer, Tokenizer::from_gguf(gguf));
  if (flags.given("-p")) return process(tokenizer, o, o.prompt);
  ONEBIT_ASSIGN(const std::string input, read_text(flags.given("-f") ? o.file : "-", kMaxInputBytes));
  return process(tokenizer, o, input);
}

}  // namespace

const Verb tokenize_verb{"tokenize", "text to token ids and back", run};

}  // namespace onebit::cli
