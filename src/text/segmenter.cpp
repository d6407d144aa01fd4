#include "text/segmenter.h"

namespace onebit {

ByteTokens byte_tokens(const Vocab& vocab) {
  ByteTokens table;
  table.fill(-1);
  for (Token id = 0; vocab.contains(id); ++id) {
    if (vocab.type(id) != TokenType::byte) continue;
    const int b = byte_token_value(vocab.text(id));
    if (b >= 0 && table[b] < 0) table[b] = id;
  }
  return table;
}

Status append_bytes(std::string_view bytes, const ByteTokens& table, Token unknown, std::vector<Token>& out) {
  bool after_unknown = false;
  for (const char c : bytes) {
    const uint8_t b = static_cast<uint8_t>(c);
    if (table[b] < 0 && unknown < 0)
      return fail(Errc::unsupported, "text: byte 0x{:02X} has no token in this vocabulary, and there is no unknown token", b);
    if (table[b] >= 0)
      out.push_back(table[b]);
    else if (!after_unknown)
      out.push_back(unknown);
    after_unknown = table[b] < 0;
  }
  return {};
}

std::string sentence_piece(const Vocab& vocab, Token token) {
  constexpr std::string_view kSpace = "\xE2\x96\x81";
  const std::string_view text = vocab.text(token);
  if (vocab.type(token) == TokenType::byte)
    if (const int b = byte_token_value(text); b >= 0) return std::string(1, static_cast<char>(b));
  std::string bytes;
  for (size_t i = 0; i < text.size();) {
    const bool space = text.substr(i).starts_with(kSpace);
    bytes += space ? ' ' : text[i];
    i += space ? kSpace.size() : 1;
  }
  return bytes;
}

}  // namespace onebit
