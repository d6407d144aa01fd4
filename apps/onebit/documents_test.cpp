#include "documents.h"

#include <gtest/gtest.h>

namespace onebit::cli {
namespace {

std::vector<VerbTable> tables() {
  std::string model, kv = "f16", name;
  bool json = false;
  std::vector<std::string> files;
  Flags run("onebit run", "continue one prompt", "onebit run -m it's.gguf");
  run.text("-m,--model", "MODEL", "the model", &model);
  run.choice("--kv", "type: of [the] cache", &kv, {"f16", "f32"});
  run.toggle("--json", ".starts with a dot", &json);
  Flags build("onebit npu build", "write a program", "onebit npu build x");
  build.positional("FILE", "a file", &files, 1);
  build.text("-o", "FILE", "where", &name);
  return {{"run", run.table()}, {"npu build", build.table()}};
}

TEST(Documents, TableHoldsWhatHelpPrints) {
  const FlagTable t = tables()[0].flags;
  ASSERT_EQ(t.rows.size(), 4u);
  EXPECT_EQ(t.rows[0].names, (std::vector<std::string>{"-m", "--model"}));
  EXPECT_EQ(t.rows[1].choices, (std::vector<std::string>{"f16", "f32"}));
  EXPECT_EQ(t.rows[1].fallback, "f16");
  EXPECT_EQ(t.rows[3].names[1], "--help");
}

TEST(Documents, ManPage) {
  const std::string page = man_page(tables()[0], "1.2");
  EXPECT_NE(page.find(".TH ONEBIT-RUN 1 \"\" \"onebit 1.2\""), std::string::npos) << page;
  EXPECT_NE(page.find("onebit-run \\- continue one prompt"), std::string::npos) << page;
  EXPECT_NE(page.find("\\fB\\-m\\fR, \\fB\\-\\-model\\fR \\fIMODEL\\fR\nthe model\n"), std::string::npos) << page;
  EXPECT_NE(page.find("\\&.starts with a dot"), std::string::npos) << page;
  EXPECT_NE(page.find("(default f16)"), std::string::npos) << page;
  EXPECT_NE(man_page(tables()[1], "1").find("onebit-npu-build \\- "), std::string::npos);
  EXPECT_NE(man_overview(tables(), "1").find(".BR onebit\\-npu\\-build (1)"), std::string::npos);
}

TEST(Documents, Completions) {
  const auto t = tables();
  const std::string bash = bash_completion(t);
  EXPECT_NE(bash.find("compgen -W 'run npu --help --version'"), std::string::npos) << bash;
  EXPECT_NE(bash.find("-m|--model) values=models"), std::string::npos) << bash;
  EXPECT_NE(bash.find("--kv) values='f16 f32'"), std::string::npos) << bash;
  EXPECT_NE(bash.find("'npu build')"), std::string::npos) << bash;
  const std::string zsh = zsh_completion(t);
  EXPECT_NE(zsh.find("'--kv[type; of (the) cache]:value:(f16 f32)'"), std::string::npos) << zsh;
  const std::string fish = fish_completion(t);
  EXPECT_NE(fish.find("-s m -l model -r -F"), std::string::npos) << fish;
  EXPECT_NE(fish.find("__fish_seen_subcommand_from npu; and __fish_seen_subcommand_from build"), std::string::npos) << fish;
}

}  // namespace
}  // namespace onebit::cli
