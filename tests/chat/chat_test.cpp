// `onebit chat` as a person meets it: at a pseudo-terminal, with Ctrl-C, and from a pipe.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

// Generous, since sanitizers and emulators are slow; nothing waits for it to pass.
constexpr int kPatienceMs = 60'000;

// Once it is shown keys are read one by one; before, the terminal would act on Ctrl-C and Ctrl-D itself.
constexpr const char* kPrompt = "\r> ";

std::string box_model() {
  for (const auto& entry : fs::directory_iterator(fs::path(ONEBIT_SOURCE_DIR) / "models"))
    if (entry.path().extension() == ".gguf") return entry.path();
  return {};
}

// ONEBIT_EMULATOR, set by the build when it cross-compiles, runs the program.
std::vector<std::string> program(std::vector<std::string> args) {
  std::vector<std::string> words;
  std::istringstream emulator(ONEBIT_EMULATOR);
  for (std::string w; emulator >> w;) words.push_back(w);
  words.emplace_back(ONEBIT_BINARY);
  words.insert(words.end(), args.begin(), args.end());
  return words;
}

[[noreturn]] void become(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const auto& w : words) argv.push_back(const_cast<char*>(w.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

// A child at the other end of a pseudo-terminal.
class Terminal {
 public:
  explicit Terminal(std::vector<std::string> args) {
    const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    const auto words = program(std::move(args));
    std::fflush(nullptr);
    pid_ = forkpty(&fd_, nullptr, nullptr, &size);
    if (pid_ == 0) become(words);
  }
  ~Terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(fd_);
  }
  void type(const std::string& keys) { ASSERT_EQ(write(fd_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size())); }

  // Reads until `text` appears behind everything waited for before; what was read up to its end.
  std::string wait_for(const std::string& text) {
    for (;;) {
      if (const size_t at = seen_.find(text); at != std::string::npos) {
        const std::string up_to = seen_.substr(0, at + text.size());
        seen_.erase(0, at + text.size());
        return up_to;
      }
      if (!read_more()) {
        ADD_FAILURE() << "'" << text << "' did not come; there was: " << seen_;
        return {};
      }
    }
  }
  // Reads until at least `bytes` bytes came.
  void wait_for_output(size_t bytes) {
    const size_t before = seen_.size();
    while (seen_.size() < before + bytes)
      if (!read_more()) {
        ADD_FAILURE() << "no more output after: " << seen_;
        return;
      }
  }
  int exit_status() {
    while (read_more()) {}
    if (timed_out_) {
      ADD_FAILURE() << "still running after: " << seen_;
      kill(pid_, SIGKILL);
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  bool read_more() {
    pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
    char chunk[4096];
    timed_out_ = poll(&p, 1, kPatienceMs) <= 0;
    if (timed_out_) return false;
    const ssize_t n = read(fd_, chunk, sizeof chunk);
    if (n <= 0) return false;
    seen_.append(chunk, static_cast<size_t>(n));
    return true;
  }

  pid_t pid_ = -1;
  int fd_ = -1;
  bool timed_out_ = false;
  std::string seen_;
};

struct Piped {
  int status;
  std::string out, err;
};

class ChatTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = box_model();
    ASSERT_FALSE(model_.empty()) << "no model in models/";
    dir_ = fs::temp_directory_path() / ("onebit_chat_test_" + std::to_string(getpid()));
    fs::create_directory(dir_);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("TERM", "xterm", 1);
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::vector<std::string> chat(std::vector<std::string> more = {}) const {
    std::vector<std::string> args{"chat", "-m", model_, "--temp", "0", "-t", "2"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  Piped pipe_through(const std::string& input, std::vector<std::string> more = {"-n", "16", "--quiet"}) const {
    std::ofstream(dir_ / "in") << input;
    const auto words = program(chat(std::move(more)));
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      freopen((dir_ / "in").c_str(), "r", stdin);
      freopen((dir_ / "out").c_str(), "w", stdout);
      freopen((dir_ / "err").c_str(), "w", stderr);
      become(words);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), text_of("out"), text_of("err")};
  }
  std::string text_of(const std::string& name) const {
    std::ifstream file(dir_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string model_;
  fs::path dir_;
};

TEST_F(ChatTest, AnswersAndLeaves) {
  Terminal t(chat({"-n", "8"}));
  t.wait_for("/help lists the commands");
  t.wait_for(kPrompt);
  t.type("And God said\r");
  t.wait_for("And God said");
  t.wait_for("\n\r> ");
  t.type("/help\r");
  t.wait_for("/save FILE");
  t.wait_for(kPrompt);
  t.type("/bye\r");
  EXPECT_EQ(t.exit_status(), 0);
}

TEST_F(ChatTest, CtrlCStopsTheAnswerNotTheProgram) {
  Terminal t(chat({"-n", "-1", "-t", "1", "--isa", "scalar"}));  // slow enough to be caught in the act
  t.wait_for(kPrompt);
  t.type("And it came to pass\r");
  t.wait_for("And it came to pass\x1b[K");
  t.wait_for("\r\n");
  t.wait_for_output(4);
  t.type("\x03");
  t.wait_for("\r\n");
  t.wait_for(kPrompt);
  t.type("/stats\r");
  const std::string stats = t.wait_for("format ");
  int used = 0, context = 0;
  const size_t at = stats.find("context ");
  ASSERT_NE(at, std::string::npos);
  ASSERT_EQ(std::sscanf(stats.c_str() + at, "context %d of %d", &used, &context), 2) << stats;
  EXPECT_LT(used, context) << "the answer came to its end by itself";
  // At the prompt it drops the line being typed.
  t.wait_for(kPrompt);
  t.type("garbage\x03");
  t.wait_for("^C");
  t.wait_for(kPrompt);
  t.type("/nonsense\r");
  t.wait_for("unknown command '/nonsense'");
  t.wait_for(kPrompt);
  t.type("\x04");
  EXPECT_EQ(t.exit_status(), 0);
}

TEST_F(ChatTest, LinesAreEdited) {
  Terminal t(chat());
  t.wait_for(kPrompt);
  t.type("xhelp\x01\x1b[3~/\r");  // home, delete, insert
  t.wait_for("/load FILE");
  t.wait_for(kPrompt);
  t.type("\x1b[A\x15/hxelp\x1b[D\x1b[D\x1b[D\x7f\r");  // up, erase the line, left, backspace
  t.wait_for("/load FILE");
  t.wait_for(kPrompt);
  t.type("\x04");
  EXPECT_EQ(t.exit_status(), 0);
}

TEST_F(ChatTest, APipeGivesAnswersOnly) {
  const Piped a = pipe_through("And God said\n"), b = pipe_through("And God said");
  EXPECT_EQ(a.status, 0) << a.err;
  EXPECT_FALSE(a.out.empty());
  EXPECT_EQ(a.out, b.out);
  EXPECT_EQ(a.err, "");
  EXPECT_EQ(a.out.find("> "), std::string::npos);
}

TEST_F(ChatTest, ASavedConversationGoesOnTheSame) {
  const std::string file = dir_ / "s.chat";
  const Piped whole = pipe_through("In the beginning\nAnd God said\n");
  const Piped first = pipe_through("In the beginning\n/save " + file + "\n");
  const Piped second = pipe_through("/load " + file + "\nAnd God said\n");
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.err + second.err, "");
  EXPECT_EQ(first.out + second.out, whole.out);
  const Piped alone = pipe_through("And God said\n");
  EXPECT_NE(alone.out, second.out) << "the conversation has no influence";
}

TEST_F(ChatTest, ClearForgets) {
  const Piped alone = pipe_through("And God said\n");
  const Piped cleared = pipe_through("In the beginning\n/clear\nAnd God said\n");
  ASSERT_GT(cleared.out.size(), alone.out.size());
  EXPECT_EQ(cleared.out.substr(cleared.out.size() - alone.out.size()), alone.out);
}

TEST_F(ChatTest, MistakesAreSaidAndSurvived) {
  std::ofstream(dir_ / "bad.chat") << "not a conversation";
  const std::string bad = dir_ / "bad.chat";
  const Piped r = pipe_through("/load " + bad + "\n/load\n/save /no/such/folder/x\n/set temp hot\n/set temp\n/set nothing 1\n/what\n" +
                               "/set top-k 3\n/set\nAnd God said\n");
  EXPECT_EQ(r.status, 0);
  for (const char* expected : {"bad.chat: not a saved conversation", "/load: a file name is missing", "/no/such/folder/x",
                               "--temp: 'hot' is not a number", "/set temp: a value is missing", "unknown flag '--nothing'",
                               "unknown command '/what'"})
    EXPECT_NE(r.err.find(expected), std::string::npos) << expected << " is not in: " << r.err;
  EXPECT_NE(r.out.find("top-k 3"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find(pipe_through("And God said\n").out), std::string::npos);
}

TEST_F(ChatTest, AFullContextIsSaid) {
  std::string longer;
  for (int i = 0; i < 60; ++i) longer += "and ";
  const Piped r = pipe_through(longer + "\nAnd\n", {"-c", "32", "-n", "4", "--quiet"});
  EXPECT_EQ(r.status, 0);
  EXPECT_NE(r.err.find("/clear starts over"), std::string::npos) << r.err;
  EXPECT_FALSE(r.out.empty());
}

}  // namespace
