#include "grammar/json_schema.h"

#include <gtest/gtest.h>

#include "grammar/grammar.h"
#include "grammar/matcher.h"

namespace onebit {
namespace {

using Json = nlohmann::ordered_json;

struct Case {
  const char* schema;
  std::vector<const char*> yes, no;
};

std::string error(const Json& schema, const SchemaLimits& limits = {}) {
  const auto g = json_schema_to_gbnf(schema, limits);
  return g ? "accepted" : g.error().message;
}
std::string error(const char* schema) { return error(Json::parse(schema)); }

void check(const Case& c) {
  SCOPED_TRACE(c.schema);
  const auto gbnf = json_schema_to_gbnf(Json::parse(c.schema));
  ASSERT_TRUE(gbnf) << gbnf.error().message;
  const auto grammar = Grammar::parse(*gbnf);
  ASSERT_TRUE(grammar) << grammar.error().message << "\n" << *gbnf;
  Matcher m(*grammar);
  const auto matches = [&](std::string_view text) {
    Matcher::StateId s = m.start();
    for (const char ch : text) s = m.step(s, static_cast<uint8_t>(ch));
    return m.accepting(s);
  };
  for (const char* text : c.yes) EXPECT_TRUE(matches(text)) << text << "\n" << *gbnf;
  for (const char* text : c.no) EXPECT_FALSE(matches(text)) << text << "\n" << *gbnf;
  EXPECT_TRUE(m.status());
}

TEST(JsonSchema, Values) {
  check({"true", {"1", "\"a\"", "null", "[1, {\"a\": [ ]}]", "{}", "-0.5e-7", "\"\\u00e9\\ud83d\\ude00\"", "{\n  \"a\": [\n    1\n  ]\n}"},
         {"", "01", "1.", "nul", "[1,]", "{\"a\"}", "\"\n\"", "\"\\ud83d\"", "\"\\x\"", "+1", "{a:1}"}});
  check({"{}", {"1", "{}"}, {""}});
  check({R"({"type":"boolean"})", {"true", "false"}, {"1", "null"}});
  check({R"({"type":["string","null"]})", {"null", "\"x\""}, {"1"}});
  check({R"({"type":"string","nullable":true})", {"null", "\"x\""}, {"1"}});
  check({R"({"enum":["a",1,null,{"x":[1]}]})", {"\"a\"", "1", "null", "{\"x\":[1]}", "{ \"x\": [1 ]}"}, {"\"b\"", "2"}});
  check({R"({"const":"a\"\n\\"})", {R"("a\"\n\\")"}, {"\"a\""}});
  check({R"({"type":"integer","enum":[1,2.5,"x",3]})", {"1", "3"}, {"2.5", "\"x\""}});
}

TEST(JsonSchema, Numbers) {
  check({R"({"type":"integer"})", {"0", "-1", "123"}, {"1.5", "01", "1e3", ""}});
  check({R"({"type":"number"})", {"0", "-1.25", "1e5", "2.5E-3"}, {"1.", ".5", "--1"}});
  check({R"({"type":"number","minimum":0,"maximum":1})", {"0", "0.0", "0.5", "1", "1.0"}, {"-0.5", "1.01", "2", "1e0"}});
  check({R"({"type":"number","exclusiveMinimum":0,"exclusiveMaximum":10})", {"0.01", "9.99", "3"}, {"0", "0.0", "10", "-1", "10.0"}});
  check({R"({"type":"number","minimum":-2,"maximum":-1})", {"-2", "-1.5", "-1", "-1.0"}, {"0", "-0.5", "-2.1", "1.5"}});
  check({R"({"type":"number","minimum":-1})", {"-1", "-0.5", "0", "-0", "12345.5"}, {"-1.5", "-2"}});
  check({R"({"type":"integer","minimum":2.5,"exclusiveMaximum":5})", {"3", "4"}, {"2", "5", "-3"}});
  check({R"({"type":"integer","minimum":7,"exclusiveMinimum":true})", {"8", "70"}, {"7", "6"}});
  // Every integer of some ranges, against arithmetic.
  for (const auto& [low, high] : {std::pair{-12, 7}, {0, 0}, {5, 123}, {-1005, -998}, {99, 101}, {-3, -3}, {18, 2017}}) {
    const Json schema = {{"type", "integer"}, {"minimum", low}, {"maximum", high}};
    const auto g = Grammar::parse(json_schema_to_gbnf(schema).value());
    ASSERT_TRUE(g);
    Matcher m(*g);
    for (int v = -3000; v <= 3000; ++v) {
      Matcher::StateId s = m.start();
      for (const char c : std::to_string(v)) s = m.step(s, static_cast<uint8_t>(c));
      EXPECT_EQ(m.accepting(s), v >= low && v <= high) << v << " in " << low << ".." << high;
    }
  }
}

TEST(JsonSchema, Strings) {
  check({R"({"type":"string","minLength":2,"maxLength":3})", {"\"ab\"", "\"日本語\"", "\"\\n\\u0041\""}, {"\"a\"", "\"abcd\"", "\"\""}});
  check({R"({"type":"string","maxLength":0})", {"\"\""}, {"\"a\""}});
  check({R"({"type":"string","pattern":"^[a-c]{2}-\\d+$"})", {"\"ab-12\"", "\"cc-0\""}, {"\"ab-\"", "\"ad-1\"", "\"xab-1\"", "\"ab-1x\""}});
  check({R"({"type":"string","pattern":"b"})", {"\"b\"", "\"abc\"", "\"\\n b\""}, {"\"ac\"", "\"\""}});
  check({R"({"type":"string","pattern":"^(foo|ba[rz])?x*?$|^y"})", {"\"\"", "\"foo\"", "\"barxx\"", "\"yes\""}, {"\"fo\"", "\"ay\""}});
  check({R"({"type":"string","pattern":"^[\"\\\\\\n\\u00e9][^x]\\w\\S.$"})", {R"("\"a_-z")", R"("\\b1\"!")", R"("\n\tz\\é")"}, {R"("\"x_-z")", R"("aa_-z")"}});
  check({R"({"type":"string","format":"date"})", {"\"2024-02-28\"", "\"1999-12-31\""}, {"\"2024-02-30\"", "\"2024-13-01\"", "\"24-01-01\""}});
  check({R"({"type":"string","format":"date-time"})", {"\"2024-02-28T23:59:59Z\"", "\"2024-02-28T00:00:00.123+02:00\""}, {"\"2024-02-28\"", "\"2024-02-28T24:00:00Z\""}});
  check({R"({"type":"string","format":"uuid"})", {"\"123e4567-e89b-12d3-a456-426614174000\""}, {"\"123e4567\""}});
  check({R"({"type":"string","format":"ipv4"})", {"\"127.0.0.1\"", "\"255.255.255.255\""}, {"\"256.0.0.1\"", "\"1.2.3\""}});
  check({R"({"type":"string","format":"email"})", {"\"a.b@example.org\""}, {"\"a\"", "\"a@b\""}});
}

TEST(JsonSchema, Objects) {
  check({R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{"type":"null"}},"required":["b"]})",
         {R"({"b":"x"})", R"({"a": 1, "b": "x"})", R"({"a":1,"b":"x","c":null})", R"({"b":"","c":null})", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}"},
         {"{}", R"({"a":1})", R"({"b":"x","a":1})", R"({"b":1})", R"({"a":1,"c":null})", R"({"b":"x",})", R"({"b":"x","d":1})", R"({,"b":"x"})"}});
  check({R"({"properties":{"a":true}})", {"{}", R"({"a":[1]})"}, {"1", R"({"b":1})"}});
  check({R"({"type":"object","properties":{"ab":true,"a\"":true},"additionalProperties":{"type":"integer"}})",
         {"{}", R"({"ab":"x"})", R"({"ab":"x","abc":1,"a":2,"":3})", R"({"b":1})", R"({"a\"":"s"})", R"({"a\"b":1})", R"({"ab":1,"a\\":1})"},
         {R"({"abc":"x"})", R"({"x":1,"ab":"s"})", R"({"\u0061b":1})", R"({"x":1,"a\"":1})"}});
  check({R"({"type":"object","additionalProperties":false})", {"{}", "{ }"}, {R"({"a":1})"}});
  check({R"({"type":"object"})", {"{}", R"({"a":1,"b":{"c":[]}})"}, {"[]"}});
  check({R"({"type":"object","required":["x"]})", {R"({"x":1})", R"({"x":1,"y":2})"}, {"{}"}});
  check({R"({"type":"object","minProperties":1,"additionalProperties":{"type":"integer"}})", {R"({"x":1})"}, {"{}"}});
  check({R"({"type":"object","properties":{"a~/":{"const":1}}})", {R"({"a~/":1})"}, {R"({"a":1})"}});
}

TEST(JsonSchema, Arrays) {
  check({R"({"type":"array","items":{"type":"integer"}})", {"[]", "[1]", "[1, 2,3]", "[ ]"}, {"[1,]", "[\"a\"]", "[,1]"}});
  check({R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})", {"[1,2]", "[1,2,3]"}, {"[]", "[1]", "[1,2,3,4]"}});
  check({R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"}});
  check({R"({"type":"array","maxItems":1,"uniqueItems":true})", {"[]", "[1]"}, {"[1,1]"}});
  check({R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"minItems":1})", {"[1]", "[1,\"a\"]"}, {"[]", "[\"a\"]", "[1,2]", "[1,\"a\",3]"}});
  check({R"({"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"},"minItems":2,"maxItems":3})", {"[1,null]", "[1,null,null]"}, {"[1]", "[1,2]", "[1,null,null,null]"}});
  check({R"({"type":"array","items":[{"type":"integer"}],"additionalItems":false})", {"[]", "[1]"}, {"[1,2]"}});
  check({R"({"type":"array","items":false})", {"[]"}, {"[1]"}});
}

TEST(JsonSchema, CombinationsAndReferences) {
  check({R"({"anyOf":[{"type":"integer"},{"type":"string"}]})", {"1", "\"a\""}, {"null"}});
  check({R"({"type":"object","properties":{"k":{"type":"string"}},"anyOf":[{"required":["k"]},{"properties":{"n":{"type":"integer"}},"required":["n"]}]})",
         {R"({"k":"x"})", R"({"n":1})", R"({"k":"x","n":1})"}, {"{}"}});
  check({R"({"oneOf":[{"type":"object","properties":{"t":{"const":"a"}},"required":["t"]},{"type":"object","properties":{"t":{"const":"b"}},"required":["t"]}]})",
         {R"({"t":"a"})", R"({"t":"b"})"}, {R"({"t":"c"})"}});
  check({R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":{"type":"integer"}},"required":["b"]}]})",
         {R"({"a":1,"b":2})"}, {R"({"a":1})", "{}"}});
  check({R"({"allOf":[{"minimum":3,"type":"integer"},{"maximum":5},{"minimum":4}]})", {"4", "5"}, {"3", "6"}});
  check({R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"]}}})",
         {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"}, {R"({"v":1})", R"({"v":1,"next":{"v":2}})"}});
  check({R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]"}});
  check({R"({"definitions":{"a/b":{"type":"integer"}},"properties":{"x":{"$ref":"#/definitions/a~1b","minimum":5}},"required":["x"]})", {R"({"x":5})"}, {R"({"x":4})"}});
}

TEST(JsonSchema, WhatRestrictsIsNeverIgnored) {
  EXPECT_EQ(error(R"({"type":"object","properties":{"a/b":{"type":"array","items":{"not":{}}}}})"),
            "schema: #/properties/a~1b/items/not: this keyword is not supported");
  for (const char* schema : {R"({"type":"object","patternProperties":{}})", R"({"type":"array","uniqueItems":true})", R"({"type":"number","multipleOf":2})",
                             R"({"type":"array","contains":{}})", R"({"if":{}})", R"({"type":"object","dependentRequired":{}})", R"({"type":"object","minProperties":3})",
                             R"({"type":"number","minimum":0.5})", R"({"type":"string","format":"regex"})", R"({"type":"string","pattern":"a","maxLength":3})",
                             R"({"enum":["a"],"minLength":3})", R"({"$ref":"other.json#/a"})", R"({"oneOf":[{"type":"integer"},{"type":"number"}]})",
                             R"({"type":"string","pattern":"^(?=a)b$"})", R"({"type":"string","pattern":"\\p{L}"})", R"({"type":"string","pattern":"a\\b"})",
                             R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})"}) {
    const auto g = json_schema_to_gbnf(Json::parse(schema));
    ASSERT_FALSE(g) << schema;
    EXPECT_EQ(g.error().code, Errc::unsupported) << g.error().message;
    EXPECT_TRUE(g.error().message.starts_with("schema: #")) << g.error().message;
  }
  EXPECT_EQ(error(R"({"type":"integer","title":"a","description":"b","default":1,"examples":[1],"x-order":3})"), "accepted");
}

TEST(JsonSchema, ErrorsAndLimits) {
  for (const char* schema : {"1", "[]", "false", R"({"type":"what"})", R"({"type":[]})", R"({"type":"integer","minimum":5,"maximum":4})", R"({"type":"string","minLength":-1})",
                             R"({"type":"string","minLength":3,"maxLength":2})", R"({"type":"array","minItems":3,"maxItems":2})", R"({"$ref":"#/nowhere"})", R"({"$ref":"#a/b"})",
                             R"({"$ref":1})", R"({"enum":[]})", R"({"enum":"a"})", R"({"type":"object","properties":[]})", R"({"type":"object","required":"a"})",
                             R"({"type":"object","required":["a"],"additionalProperties":false})", R"({"anyOf":[]})", R"({"anyOf":[1]})", R"({"type":"string","pattern":"("})",
                             R"({"type":"string","pattern":"[z-a]"})", R"({"type":"string","pattern":"a{4,3}"})", R"({"type":"string","pattern":"a{1{2}"})",
                             R"({"type":"string","pattern":"a{99999999999999999999,3}"})", R"({"type":"string","pattern":"a**"})", R"({"allOf":[{"type":"string"},{"type":"null"}]})",
                             R"({"type":"array","prefixItems":[true],"items":false,"minItems":2})", R"({"type":"integer","minimum":"1"})"}) {
    const auto g = json_schema_to_gbnf(Json::parse(schema));
    ASSERT_FALSE(g) << schema;
    EXPECT_EQ(g.error().code, Errc::format) << g.error().message;
  }
  Json deep = Json::object(), pattern;
  for (int i = 0; i < 100; ++i) deep = Json{{"type", "array"}, {"items", std::exchange(deep, nullptr)}};
  EXPECT_NE(error(deep).find("nested more than 64"), std::string::npos);
  Json very_deep = Json::array();
  for (int i = 0; i < 100000; ++i) {
    Json outer = Json::array();
    outer.push_back(std::move(very_deep));
    very_deep = std::move(outer);
  }
  EXPECT_NE(error(Json{{"const", std::move(very_deep)}}).find("nested more than 256"), std::string::npos);
  EXPECT_NE(error(Json{{"type", "string"}, {"pattern", std::string(10000, '(')}}).find("nested"), std::string::npos);
  // References that fan out: 2^24 ways, one rule each; joined with more they would be written out, which is refused.
  Json defs = Json::object(), joined = Json::object();
  for (int i = 0; i < 24; ++i) {
    const std::string next = fmt::format("#/$defs/d{}", i + 1);
    defs[fmt::format("d{}", i)] = {{"type", "array"}, {"prefixItems", {{{"$ref", next}}, {{"$ref", next}}}}};
    joined[fmt::format("d{}", i)] = {{"type", "array"}, {"prefixItems", {{{"$ref", next}, {"minItems", 0}}, {{"$ref", next}, {"minItems", 0}}}}};
  }
  defs["d24"] = joined["d24"] = {{"type", "array"}};
  EXPECT_EQ(error(Json{{"$ref", "#/$defs/d0"}, {"$defs", defs}}), "accepted");
  EXPECT_NE(error(Json{{"$ref", "#/$defs/d0"}, {"$defs", joined}}).find("more than"), std::string::npos) << error(Json{{"$ref", "#/$defs/d0"}, {"$defs", joined}});
  // A circle of references alone: the grammar is refused.
  const auto circle = json_schema_to_gbnf(Json::parse(R"({"$ref":"#/a","a":{"$ref":"#/b"},"b":{"$ref":"#/a"}})"));
  ASSERT_TRUE(circle);
  EXPECT_FALSE(Grammar::parse(*circle));
  EXPECT_TRUE(Grammar::parse(json_object_gbnf()));
}

}  // namespace
}  // namespace onebit
