#include "flags.h"

#include <gtest/gtest.h>

namespace onebit::cli {
namespace {

struct Parsed {
  std::string model;
  bool quiet = false;
  int64_t n = 128;
  double temp = 0.8;
  std::vector<int64_t> sizes{512};
  std::string kv = "f16";
  std::vector<std::string> rest;
  Flags flags{"onebit demo", "a demonstration", "onebit demo -m model.gguf"};

  Parsed() {
    flags.text("-m,--model", "FILE", "the model", &model);
    flags.toggle("--quiet", "print less", &quiet);
    flags.integer("-n,--predict", "tokens", &n, -1, 1000);
    flags.real("--temp", "temperature", &temp, 0, 100);
    flags.integers("-p", "sizes", &sizes, 1, 4096);
    flags.choice("--kv", "cache type", &kv, {"f16", "f32", "q8"});
    flags.positional("FILE...", "files", &rest, 2);
  }
  Status parse(std::vector<const char*> args) { return flags.parse(args); }
};

TEST(Flags, SpellingsOfLlamaCpp) {
  Parsed p;
  ASSERT_TRUE(p.parse({"-m", "a.gguf", "-temp", "0", "--predict=-1", "-p", "128,512", "--quiet", "in", "--", "-out"}));
  EXPECT_EQ(p.model, "a.gguf");
  EXPECT_EQ(p.temp, 0);
  EXPECT_EQ(p.n, -1);
  EXPECT_EQ(p.sizes, (std::vector<int64_t>{128, 512}));
  EXPECT_TRUE(p.quiet);
  EXPECT_EQ(p.rest, (std::vector<std::string>{"in", "-out"}));
  EXPECT_TRUE(p.flags.given("-n"));
  EXPECT_FALSE(p.flags.given("--kv"));
}

TEST(Flags, ErrorsNameFlagValueAndRange) {
  const std::pair<std::vector<const char*>, const char*> cases[] = {
      {{"-n", "1001"}, "-n: '1001' is not an integer from -1 to 1000"},
      {{"-n", "12x"}, "-n: '12x' is not an integer from -1 to 1000"},
      {{"-n"}, "-n: a value is missing, expected N"},
      {{"--temp", "nan"}, "--temp: 'nan' is not a number from 0 to 100"},
      {{"--temp", "-1"}, "--temp: '-1' is not a number from 0 to 100"},
      {{"-p", "1,,2"}, "-p: '' is not an integer from 1 to 4096"},
      {{"--kv", "f8"}, "--kv: 'f8' is not one of f16|f32|q8"},
      {{"--quiet=1"}, "--quiet: takes no value"},
      {{"--nope"}, "unknown flag '--nope'"},
      {{"a", "b", "c"}, "one argument too many: 'c'"},
  };
  for (const auto& [args, message] : cases) {
    Parsed p;
    const Status s = p.parse(args);
    ASSERT_FALSE(s) << message;
    EXPECT_EQ(s.error().code, Errc::usage);
    EXPECT_EQ(s.error().message, std::string(message) + " (see 'onebit demo --help')");
  }
}

TEST(Flags, HelpShowsDefaultsAndExample) {
  Parsed p;
  ASSERT_TRUE(p.parse({"-h"}));
  EXPECT_TRUE(p.flags.help_wanted());
  const std::string help = p.flags.help();
  EXPECT_NE(help.find("example: onebit demo -m model.gguf"), std::string::npos);
  EXPECT_NE(help.find("-n, --predict N"), std::string::npos);
  EXPECT_NE(help.find("(default 128)"), std::string::npos);
}

}  // namespace
}  // namespace onebit::cli
