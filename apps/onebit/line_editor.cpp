#include "line_editor.h"

#include <algorithm>
#include <cerrno>
#include <cwchar>
#include <string_view>

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace onebit::cli {
namespace {

constexpr size_t kMaxHistory = 1000;
constexpr size_t kMaxLine = size_t{1} << 24;

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

unsigned char control(char letter) { return static_cast<unsigned char>(letter & 0x1f); }

// Bytes one at a time, no echo and no signals, until the end of the scope.
class RawMode {
 public:
  explicit RawMode(int fd) : fd_(fd), active_(tcgetattr(fd, &saved_) == 0) {
    if (!active_) return;
    termios raw = saved_;
    raw.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO | ISIG | IEXTEN));
    raw.c_iflag &= static_cast<tcflag_t>(~(IXON | ICRNL | INLCR | ISTRIP | BRKINT));
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    // Without dropping what was typed ahead.
    tcsetattr(fd_, TCSADRAIN, &raw);
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode() {
    if (active_) tcsetattr(fd_, TCSADRAIN, &saved_);
  }

 private:
  int fd_;
  termios saved_{};
  bool active_;
};

size_t terminal_columns(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

size_t LineBuffer::before(size_t at) const {
  if (at == 0) return 0;
  do --at;
  while (at > 0 && continues(text_[at]));
  return at;
}

size_t LineBuffer::after(size_t at) const {
  if (at >= text_.size()) return text_.size();
  do ++at;
  while (at < text_.size() && continues(text_[at]));
  return at;
}

void LineBuffer::insert(const std::string& bytes) {
  if (text_.size() + bytes.size() > kMaxLine) return;
  text_.insert(cursor_, bytes);
  cursor_ += bytes.size();
}

void LineBuffer::set(std::string text) {
  text_ = std::move(text);
  cursor_ = text_.size();
}

void LineBuffer::clear() {
  set("");
  recalled_ = history_.size();
}

void LineBuffer::remember() {
  if (!text_.empty() && (history_.empty() || history_.back() != text_)) history_.push_back(text_);
  if (history_.size() > kMaxHistory) history_.erase(history_.begin());
  recalled_ = history_.size();
}

void LineBuffer::recall(int step) {
  if ((step < 0 && recalled_ == 0) || (step > 0 && recalled_ == history_.size())) return;
  if (recalled_ == history_.size()) draft_ = text_;
  recalled_ = step < 0 ? recalled_ - 1 : recalled_ + 1;
  set(recalled_ == history_.size() ? draft_ : history_[recalled_]);
}

void LineBuffer::press(Key key) {
  const auto erase = [this](size_t from, size_t to) {
    text_.erase(from, to - from);
    cursor_ = from;
  };
  switch (key) {
    case Key::left: cursor_ = before(cursor_); break;
    case Key::right: cursor_ = after(cursor_); break;
    case Key::home: cursor_ = 0; break;
    case Key::end: cursor_ = text_.size(); break;
    case Key::up: recall(-1); break;
    case Key::down: recall(1); break;
    case Key::backspace: erase(before(cursor_), cursor_); break;
    case Key::erase: erase(cursor_, after(cursor_)); break;
    case Key::erase_to_end: erase(cursor_, text_.size()); break;
    case Key::erase_to_start: erase(0, cursor_); break;
    case Key::erase_word: {
      size_t from = cursor_;
      while (from > 0 && text_[from - 1] == ' ') --from;
      while (from > 0 && text_[from - 1] != ' ') --from;
      erase(from, cursor_);
      break;
    }
  }
}

size_t display_width(std::string_view text) {
  size_t columns = 0;
  std::mbstate_t state{};
  for (size_t i = 0; i < text.size();) {
    wchar_t c = 0;
    const size_t n = std::mbrtowc(&c, text.data() + i, text.size() - i, &state);
    if (n == 0 || n > text.size() - i) {  // a zero byte, or no character of this locale
      state = {};
      columns += continues(text[i]) ? 0 : 1;
      ++i;
      continue;
    }
    columns += static_cast<size_t>(std::max(wcwidth(c), 0));
    i += n;
  }
  return columns;
}

LineEditor::LineEditor(int in, int out) : in_(in), out_(out), interactive_(isatty(in) && isatty(out)) {}

void LineEditor::write(const std::string& bytes) const {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::write(out_, bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    at += static_cast<size_t>(n);
  }
}

// One screen line: the text scrolls sideways so that the cursor stays in view.
void LineEditor::show(const std::string& prompt) const {
  const size_t columns = terminal_columns(out_);
  const size_t room = columns > display_width(prompt) + 1 ? columns - display_width(prompt) - 1 : 1;
  const std::string_view text = buffer_.text();
  const auto next = [text](size_t at) {
    do ++at;
    while (at < text.size() && continues(text[at]));
    return at;
  };
  size_t from = 0;
  while (display_width(text.substr(from, buffer_.cursor() - from)) > room) from = next(from);
  size_t to = buffer_.cursor();
  while (to < text.size() && display_width(text.substr(from, next(to) - from)) <= room) to = next(to);
  const size_t column = display_width(prompt) + display_width(text.substr(from, buffer_.cursor() - from));
  write("\r" + prompt + std::string(text.substr(from, to - from)) + "\033[K\r" +
        (column ? "\033[" + std::to_string(column) + "C" : ""));
}

bool LineEditor::next_byte(unsigned char& byte) {
  for (;;) {
    const ssize_t n = ::read(in_, &byte, 1);
    if (n == 1) return true;
    if (n < 0 && errno == EINTR) continue;
    return false;
  }
}

// Behind ESC: "[A", "[3~", "OH"... Unknown sequences are read to their end and ignored.
bool LineEditor::escape_sequence() {
  using Key = LineBuffer::Key;
  unsigned char kind = 0, c = 0;
  if (!next_byte(kind)) return false;
  if (kind != '[' && kind != 'O') return true;
  int number = 0;
  do {
    if (!next_byte(c)) return false;
    if (c >= '0' && c <= '9') number = std::min(number * 10 + (c - '0'), 1000);
  } while (kind == '[' && (c < 0x40 || c > 0x7e));
  switch (c) {
    case 'A': buffer_.press(Key::up); break;
    case 'B': buffer_.press(Key::down); break;
    case 'C': buffer_.press(Key::right); break;
    case 'D': buffer_.press(Key::left); break;
    case 'H': buffer_.press(Key::home); break;
    case 'F': buffer_.press(Key::end); break;
    case '~':
      if (number == 1 || number == 7) buffer_.press(Key::home);
      if (number == 3) buffer_.press(Key::erase);
      if (number == 4 || number == 8) buffer_.press(Key::end);
      break;
    default: break;
  }
  return true;
}

LineEditor::Outcome LineEditor::read_terminal(const std::string& prompt) {
  using Key = LineBuffer::Key;
  buffer_.clear();
  const RawMode raw(in_);
  for (;;) {
    show(prompt);
    unsigned char c = 0;
    if (!next_byte(c)) return Outcome::end;
    if (c == '\r' || c == '\n') {
      write("\r\n");
      buffer_.remember();
      return Outcome::line;
    }
    if (c == control('C')) {
      write("^C\r\n");
      return Outcome::interrupted;
    }
    if (c == control('D') && buffer_.text().empty()) {
      write("\r\n");
      return Outcome::end;
    }
    if (c == 0x1b) {
      if (!escape_sequence()) return Outcome::end;
    } else if (c == 0x7f || c == control('H')) {
      buffer_.press(Key::backspace);
    } else if (c == control('A')) {
      buffer_.press(Key::home);
    } else if (c == control('B')) {
      buffer_.press(Key::left);
    } else if (c == control('D')) {
      buffer_.press(Key::erase);
    } else if (c == control('E')) {
      buffer_.press(Key::end);
    } else if (c == control('F')) {
      buffer_.press(Key::right);
    } else if (c == control('K')) {
      buffer_.press(Key::erase_to_end);
    } else if (c == control('N')) {
      buffer_.press(Key::down);
    } else if (c == control('P')) {
      buffer_.press(Key::up);
    } else if (c == control('U')) {
      buffer_.press(Key::erase_to_start);
    } else if (c == control('W')) {
      buffer_.press(Key::erase_word);
    } else if (c == control('L')) {
      write("\033[H\033[2J");
    } else if (c == '\t') {
      buffer_.insert(" ");
    } else if (c >= 0x20) {
      buffer_.insert(std::string(1, static_cast<char>(c)));
    }
  }
}

LineEditor::Outcome LineEditor::read_pipe(std::string& line) {
  for (;;) {
    const size_t newline = pending_.find('\n');
    if (newline != std::string::npos) {
      line = pending_.substr(0, newline);
      pending_.erase(0, newline + 1);
      if (line.ends_with('\r')) line.pop_back();
      return Outcome::line;
    }
    char chunk[4096];
    const ssize_t n = pending_.size() > kMaxLine ? 0 : ::read(in_, chunk, sizeof chunk);
    if (n > 0) {
      pending_.append(chunk, static_cast<size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) return Outcome::interrupted;
    if (pending_.empty()) return Outcome::end;
    line = std::move(pending_);
    pending_.clear();
    return Outcome::line;
  }
}

LineEditor::Outcome LineEditor::read(const std::string& prompt, std::string& line) {
  if (!interactive_) return read_pipe(line);
  const Outcome outcome = read_terminal(prompt);
  if (outcome == Outcome::line) line = buffer_.text();
  return outcome;
}

}  // namespace onebit::cli
