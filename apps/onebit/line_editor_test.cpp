#include "line_editor.h"

#include <clocale>

#include <gtest/gtest.h>
#include <unistd.h>

namespace onebit::cli {
namespace {

using Key = LineBuffer::Key;

TEST(LineBuffer, EditsByCodePoint) {
  LineBuffer b;
  b.insert("na\xc3\xafve \xe2\x98\x83");  // naïve ☃
  b.press(Key::left);
  b.press(Key::left);
  b.press(Key::left);
  b.press(Key::left);
  b.press(Key::backspace);
  EXPECT_EQ(b.text(), "nave \xe2\x98\x83");
  EXPECT_EQ(b.cursor(), 2u);
  b.press(Key::end);
  b.press(Key::backspace);
  EXPECT_EQ(b.text(), "nave ");
  b.press(Key::home);
  b.press(Key::erase);
  b.insert("\xc3\x89");
  EXPECT_EQ(b.text(), "\xc3\x89" "ave ");
  b.press(Key::erase_to_end);
  EXPECT_EQ(b.text(), "\xc3\x89");
}

TEST(LineBuffer, KeysAtTheEdgesDoNothing) {
  LineBuffer b;
  for (const Key k : {Key::left, Key::right, Key::up, Key::down, Key::home, Key::end, Key::backspace, Key::erase,
                      Key::erase_word, Key::erase_to_end, Key::erase_to_start})
    b.press(k);
  EXPECT_EQ(b.text(), "");
  b.insert("\x80\x80");  // bytes that continue nothing
  for (int i = 0; i < 3; ++i) b.press(Key::left);
  EXPECT_EQ(b.cursor(), 0u);
  b.press(Key::erase);
  EXPECT_EQ(b.text(), "");
}

TEST(LineBuffer, ErasesWords) {
  LineBuffer b;
  b.insert("in the beginning  ");
  b.press(Key::erase_word);
  EXPECT_EQ(b.text(), "in the ");
  b.press(Key::erase_to_start);
  EXPECT_EQ(b.text(), "");
}

TEST(LineBuffer, HistoryKeepsTheLineBeingWritten) {
  LineBuffer b;
  for (const char* line : {"one", "two", "two", ""}) {
    b.set(line);
    b.remember();
    b.clear();
  }
  b.insert("draft");
  b.press(Key::up);
  EXPECT_EQ(b.text(), "two");
  b.press(Key::up);
  EXPECT_EQ(b.text(), "one");
  b.press(Key::up);
  EXPECT_EQ(b.text(), "one");
  b.press(Key::down);
  b.press(Key::down);
  EXPECT_EQ(b.text(), "draft");
  b.press(Key::down);
  EXPECT_EQ(b.text(), "draft");
}

TEST(LineEditor, WidthOfText) {
  ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("na\xc3\xafve"), 5u);
  EXPECT_EQ(display_width("\xe6\xbc\xa2"), 2u);  // a wide character
  EXPECT_EQ(display_width("\xff\x80"), 1u);      // not UTF-8
  std::setlocale(LC_CTYPE, "C");
}

TEST(LineEditor, ReadsLinesOfAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string text = "first\nsecond\r\n\nlast without newline";
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  LineEditor editor(ends[0], ends[0]);
  EXPECT_FALSE(editor.interactive());
  std::string line;
  for (const char* expected : {"first", "second", "", "last without newline"}) {
    ASSERT_EQ(editor.read("> ", line), LineEditor::Outcome::line);
    EXPECT_EQ(line, expected);
  }
  EXPECT_EQ(editor.read("> ", line), LineEditor::Outcome::end);
  close(ends[0]);
}

}  // namespace
}  // namespace onebit::cli
