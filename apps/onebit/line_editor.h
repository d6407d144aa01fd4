// A line typed at a terminal, with editing and history; from a pipe, a line as it comes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace onebit::cli {

// The text being edited and what keys do to it; knows no terminal. The cursor stands between code
// points; bytes that are no UTF-8 count as one each.
class LineBuffer {
 public:
  enum class Key { left, right, up, down, home, end, backspace, erase, erase_word, erase_to_end, erase_to_start };

  void insert(const std::string& bytes);
  void press(Key key);
  void clear();
  void set(std::string text);

  const std::string& text() const { return text_; }
  size_t cursor() const { return cursor_; }  // in bytes
  // Remembers the text for up and down, unless it is empty or the same as the last one.
  void remember();

 private:
  size_t before(size_t at) const;
  size_t after(size_t at) const;
  void recall(int step);

  std::string text_;
  size_t cursor_ = 0;
  std::vector<std::string> history_;
  size_t recalled_ = 0;  // index into history_; history_.size(): the line being written
  std::string draft_;
};

// Columns that UTF-8 text takes on a terminal.
size_t display_width(std::string_view text);

class LineEditor {
 public:
  enum class Outcome { line, interrupted, end };

  explicit LineEditor(int in = 0, int out = 1);
  bool interactive() const { return interactive_; }

  // interrupted: Ctrl-C at a terminal, or a signal while a pipe was read. end: end of input, or Ctrl-D on
  // an empty line. A pipe's last line needs no newline. `prompt` is shown at a terminal only.
  Outcome read(const std::string& prompt, std::string& line);

 private:
  Outcome read_pipe(std::string& line);
  Outcome read_terminal(const std::string& prompt);
  bool next_byte(unsigned char& byte);
  bool escape_sequence();
  void show(const std::string& prompt) const;
  void write(const std::string& bytes) const;

  int in_, out_;
  bool interactive_;
  LineBuffer buffer_;
  std::string pending_;  // bytes of a pipe behind the last line
};

}  // namespace onebit::cli
