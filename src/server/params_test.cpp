#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "server/access.h"
#include "server/params.h"
#include "server/text_stream.h"
#include "server/tool_calls.h"

namespace onebit::server {
namespace {

Json json(const std::string& text) {
  auto value = parse_object(text);
  EXPECT_TRUE(value) << text << ": " << value.error().message;
  return value ? *value : Json::object();
}

std::string chat_error(const std::string& fields, const std::string& param) {
  const auto p = parse_chat(json(R"({"messages":[{"role":"user","content":"hi"}],)" + fields + "}"), {});
  EXPECT_FALSE(p) << fields;
  if (p) return "";
  EXPECT_EQ(p.error().status, 400);
  EXPECT_TRUE(p.error().param.starts_with(param)) << p.error().param << ": " << p.error().message;
  return p.error().message;
}

ChatParams chat(const std::string& fields) {
  auto p = parse_chat(json(R"({"messages":[{"role":"user","content":"hi"}],)" + fields + "}"), {});
  EXPECT_TRUE(p) << fields << ": " << p.error().message;
  return p ? *p : ChatParams{};
}

TEST(ParseObject, NamesWhatIsWrong) {
  const auto message = [](std::string_view text) {
    const auto v = parse_object(text);
    EXPECT_FALSE(v) << text;
    return v ? "" : v.error().message;
  };
  EXPECT_NE(message("").find("not JSON"), std::string::npos);
  EXPECT_NE(message("{\"a\":").find("line 1"), std::string::npos);
  EXPECT_NE(message("[1]").find("an array, expected an object"), std::string::npos);
  EXPECT_NE(message("{\"a\":\"\xff\"}").find("UTF-8"), std::string::npos);
  EXPECT_NE(message("{\"a\":1e999}").find("overflow"), std::string::npos);
  EXPECT_NE(message("{\"a\":NaN}").find("not JSON"), std::string::npos);
  EXPECT_NE(message("{\"a\":\"\\ud800\"}").find("not JSON"), std::string::npos);
  const std::string deep = "{\"a\":" + std::string(100000, '[');
  EXPECT_NE(message(deep).find("at most 64"), std::string::npos);
  // Brackets in strings nest nothing.
  EXPECT_TRUE(parse_object("{\"a\":\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"}"));
  EXPECT_TRUE(parse_object("{\"a\":" + std::string(63, '[') + std::string(63, ']') + "}"));
}

TEST(Params, RangesAndTypesAreNamed) {
  EXPECT_EQ(chat_error(R"("temperature":-1)", "temperature"), "temperature: -1 is not a number from 0 to 100");
  EXPECT_EQ(chat_error(R"("temperature":"hot")", "temperature"), "temperature: \"hot\" is not a number from 0 to 100");
  EXPECT_EQ(chat_error(R"("top_p":1.5)", "top_p"), "top_p: 1.5 is not a number from 0 to 1");
  EXPECT_EQ(chat_error(R"("n":0)", "n"), "n: 0 is not an integer from 1 to 16");
  EXPECT_EQ(chat_error(R"("n":1000000000000)", "n"), "n: 1000000000000 is not an integer from 1 to 16");
  EXPECT_EQ(chat_error(R"("n":18446744073709551615)", "n"), "n: 18446744073709551615 is not an integer from 1 to 16");
  EXPECT_EQ(chat_error(R"("n":1.5)", "n"), "n: 1.5 is not an integer from 1 to 16");
  EXPECT_EQ(chat_error(R"("max_tokens":-5)", "max_tokens"), "max_tokens: -5 is not an integer from 0 to 16777216");
  EXPECT_EQ(chat_error(R"("stream":1)", "stream"), "stream: 1 is not true or false");
  EXPECT_EQ(chat_error(R"("stream_options":{"include_usage":"yes"})", "stream_options"), "stream_options.include_usage: \"yes\" is not true or false");
  chat_error(R"("stop":["a",2])", "stop");
  chat_error(R"("stop":"")", "stop");
  chat_error(R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])", "stop");
  chat_error(R"("top_logprobs":21,"logprobs":true)", "top_logprobs");
  chat_error(R"("top_logprobs":2)", "top_logprobs");
  chat_error(R"("logit_bias":{"x":1})", "logit_bias");
  chat_error(R"("logit_bias":{"-1":1})", "logit_bias");
  chat_error(R"("logit_bias":{"5":101})", "logit_bias");
  chat_error(R"("logit_bias":{"5":null})", "logit_bias");
  chat_error(R"("logit_bias":"no")", "logit_bias");
  chat_error(R"("response_format":{"type":"yaml"})", "response_format");
  chat_error(R"("response_format":{"type":"json_schema"})", "response_format");
  chat_error(R"("response_format":"json")", "response_format");
  chat_error(R"("tools":[{"type":"function"}])", "tools");
  chat_error(R"("tools":[7])", "tools");
  chat_error(R"("tools":{})", "tools");
  chat_error(R"("tool_choice":"required")", "tool_choice");
  chat_error(R"("tool_choice":{"type":"function","function":{"name":"f"}})", "tool_choice");
  chat_error(R"("seed":1e30)", "seed");
}

TEST(Params, EveryFieldArrives) {
  const ChatParams p = chat(R"("temperature":0.5,"top_p":0.9,"seed":-7,"max_completion_tokens":12,"n":3,"stop":["a","b"],"stream":true,
    "stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":4,"logit_bias":{"5":-100,"6":1.5},"presence_penalty":0.5,
    "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}},
    "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"unknown":[1])");
  EXPECT_EQ(p.sampling.temperature, 0.5);
  EXPECT_EQ(p.sampling.top_p, 0.9);
  EXPECT_TRUE(p.seeded);
  EXPECT_EQ(p.sampling.seed, static_cast<uint64_t>(int64_t{-7}));
  EXPECT_EQ(p.max_tokens, 12);
  EXPECT_EQ(p.n, 3);
  EXPECT_EQ(p.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(p.stream && p.include_usage);
  EXPECT_EQ(p.top_logprobs, 4);
  EXPECT_EQ(p.sampling.logit_bias.at(5), -INFINITY);
  EXPECT_EQ(p.sampling.logit_bias.at(6), 1.5);
  EXPECT_EQ(p.sampling.presence_penalty, 0.5);
  EXPECT_EQ(p.format, Format::json_schema);
  EXPECT_EQ(p.schema["type"], "object");
  EXPECT_EQ(p.tool_choice, ToolChoice::named);
  EXPECT_EQ(p.tool_name, "f");
  // Null and a whole number as a float are what some clients send.
  const ChatParams q = chat(R"("temperature":null,"max_tokens":64.0,"tools":[],"seed":-1)");
  EXPECT_EQ(q.max_tokens, 64);
  EXPECT_EQ(q.tool_choice, ToolChoice::none);
  EXPECT_FALSE(q.seeded);
}

TEST(Params, MessagesAreCheckedAndMadeUniform) {
  const auto error = [](const std::string& messages) {
    const auto p = parse_chat(json("{\"messages\":" + messages + "}"), {});
    EXPECT_FALSE(p) << messages;
    return p ? "" : p.error().message;
  };
  EXPECT_NE(error("[]").find("at least one message"), std::string::npos);
  EXPECT_NE(error("7").find("a number"), std::string::npos);
  EXPECT_NE(error("[7]").find("messages[0]"), std::string::npos);
  EXPECT_NE(error(R"([{"content":"x"}])").find("messages[0].role"), std::string::npos);
  EXPECT_NE(error(R"([{"role":"<|eot_id|>","content":"x"}])").find("is not system"), std::string::npos);
  EXPECT_NE(error(R"([{"role":"user"}])").find("null, expected a string"), std::string::npos);
  EXPECT_NE(error(R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])").find("image_url"), std::string::npos);
  EXPECT_NE(error(R"([{"role":"assistant","tool_calls":[{"function":{}}]}])").find("tool_calls[0]"), std::string::npos);
  EXPECT_FALSE(parse_chat(json("{}"), {}));
  const auto p = parse_chat(json(R"({"messages":[{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},
    {"role":"tool","tool_call_id":"1","content":"2"}]})"), {});
  ASSERT_TRUE(p) << p.error().message;
  EXPECT_EQ(p->messages[0]["role"], "system");
  EXPECT_EQ(p->messages[0]["content"], "ab");
  EXPECT_EQ(p->messages[1]["content"], "");
  EXPECT_EQ(p->messages[1]["tool_calls"][0]["function"]["arguments"]["x"], 1);
}

TEST(Params, CompletionsAndEmbeddingsTakeTextsAndTokens) {
  EXPECT_EQ(parse_completion(json(R"({"prompt":"a"})"), {})->prompts.size(), 1u);
  EXPECT_EQ(parse_completion(json(R"({"prompt":"a"})"), {})->max_tokens, 16);
  EXPECT_EQ(parse_completion(json(R"({"prompt":["a","b"]})"), {})->prompts.size(), 2u);
  EXPECT_EQ(parse_completion(json(R"({"prompt":[1,2]})"), {})->token_prompts, (std::vector<std::vector<Token>>{{1, 2}}));
  EXPECT_EQ(parse_embedding(json(R"({"input":[[1],[2,3]]})"))->token_inputs.size(), 2u);
  for (const char* bad : {R"({})", R"({"prompt":7})", R"({"prompt":[]})", R"({"prompt":["a",1]})", R"({"prompt":[[1],"a"]})", R"({"prompt":{"a":1}})",
                          R"({"prompt":"a","best_of":3})", R"({"prompt":"a","suffix":"b"})", R"({"prompt":"a","logprobs":true})"})
    EXPECT_FALSE(parse_completion(json(bad), {})) << bad;
  // Ids outside of every vocabulary stay so.
  EXPECT_EQ(parse_completion(json(R"({"prompt":[18446744073709551615,-9000000000]})"), {})->token_prompts[0], (std::vector<Token>{INT32_MAX, -1}));
  EXPECT_FALSE(parse_embedding(json(R"({"input":"a","encoding_format":"hex"})")));
  EXPECT_FALSE(parse_embedding(json(R"({"input":"a","dimensions":0})")));
}

TEST(Params, Ollama) {
  const auto p = parse_ollama_chat(json(R"({"model":"m","messages":[{"role":"user","content":"x"}],"options":{"num_predict":5,"temperature":0,"seed":3,"stop":["x"]},"format":"json"})"), {});
  ASSERT_TRUE(p);
  EXPECT_TRUE(p->stream);
  EXPECT_EQ(p->max_tokens, 5);
  EXPECT_EQ(p->sampling.seed, 3u);
  EXPECT_EQ(p->format, Format::json_object);
  EXPECT_FALSE(parse_ollama_chat(json(R"({"messages":[{"role":"user","content":"x"}],"options":{"top_p":7}})"), {}));
  EXPECT_FALSE(parse_ollama_generate(json(R"({"prompt":"x","format":"xml"})"), {}));
  EXPECT_FALSE(parse_ollama_generate(json(R"({"prompt":7})"), {}));
  EXPECT_EQ(parse_ollama_generate(json(R"({"prompt":"x","format":{"type":"object"},"stream":false})"), {})->format, Format::json_schema);
}

// What comes out when bytes go in one at a time, in all.
std::string one_by_one(TextStream& stream, std::string_view bytes, std::vector<std::string>* pieces = nullptr) {
  std::string out;
  for (const char c : bytes) {
    const std::string piece = stream.push({&c, 1});
    EXPECT_EQ(valid_utf8(piece), piece);
    if (pieces && !piece.empty()) pieces->push_back(piece);
    out += piece;
  }
  return out + stream.finish();
}

TEST(TextStream, SequencesOfUtf8AreNeverCut) {
  TextStream plain;
  std::vector<std::string> pieces;
  EXPECT_EQ(one_by_one(plain, "aé€😀z", &pieces), "aé€😀z");
  EXPECT_EQ(pieces, (std::vector<std::string>{"a", "é", "€", "😀", "z"}));
  TextStream broken;
  EXPECT_EQ(one_by_one(broken, "a\xff" "b\xe2\x82" "c\x80"), "a\uFFFD" "b\uFFFD" "c\uFFFD");
  TextStream cut;
  EXPECT_EQ(one_by_one(cut, "a\xf0\x9f\x98"), "a\uFFFD");
}

TEST(TextStream, StopStringsAreHeldBackUntilTheyCannotMatch) {
  TextStream s({"STOP", "\n\n"});
  std::vector<std::string> pieces;
  EXPECT_EQ(one_by_one(s, "a ST b\nc STOP d", &pieces), "a ST b\nc ");
  EXPECT_TRUE(s.stopped());
  TextStream unmatched({"STOP"});
  EXPECT_EQ(one_by_one(unmatched, "the STO"), "the STO");
  EXPECT_FALSE(unmatched.stopped());
  // The earliest of two wins, wherever pieces end; a stop string may be part of a character's bytes only as a whole.
  TextStream two({"bc", "b"});
  EXPECT_EQ(two.push("abc"), "a");
  TextStream again({"aab"});
  EXPECT_EQ(one_by_one(again, "aaab"), "a");
  TextStream wide({"€"});
  EXPECT_EQ(one_by_one(wide, "5 € more"), "5 ");
  EXPECT_EQ(wide.push("x"), "");
}

const Json kTools = Json::parse(R"([{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}},
  {"type":"function","function":{"name":"stop"}}])");

TEST(ToolCalls, AllFormsAreRead) {
  for (const char* text : {R"({"name":"add","arguments":{"a":1}})", R"( {"name": "add", "parameters": {"a": 1}} )", R"([{"name":"add","arguments":{"a":1}}])",
                           "<tool_call>\n{\"name\":\"add\",\"arguments\":{\"a\":1}}\n</tool_call>", R"(<|python_tag|>{"name":"add","parameters":{"a":1}})",
                           R"({"type":"function","function":{"name":"add","arguments":"{\"a\":1}"}})", "<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":1}}"}) {
    const Answer a = split_answer(text, kTools);
    ASSERT_EQ(a.calls.size(), 1u) << text;
    EXPECT_EQ(a.calls[0].name, "add");
    EXPECT_EQ(a.calls[0].arguments, "{\"a\":1}");
    EXPECT_EQ(a.content, "");
  }
  const Answer two = split_answer("Well.\n<tool_call>{\"name\":\"add\"}</tool_call><tool_call>{\"name\":\"stop\"}</tool_call>", kTools);
  EXPECT_EQ(two.content, "Well.");
  ASSERT_EQ(two.calls.size(), 2u);
  EXPECT_EQ(two.calls[1].name, "stop");
  for (const char* text : {"hello", "{\"name\":\"unknown\"}", "{\"name\":7}", "[]", "{\"name\":\"add\"", "<tool_call>x</tool_call>", "", "{\"name\":\"add\",\"arguments\":[1]}",
                           "1},{\"name\":\"add\"}"}) {
    EXPECT_TRUE(split_answer(text, kTools).calls.empty()) << text;
    EXPECT_EQ(split_answer(text, kTools).content, text);
  }
  EXPECT_TRUE(split_answer(std::string(100000, '['), kTools).calls.empty());
}

TEST(ToolCalls, WhatMayBeACallIsKnownEarly) {
  for (const char* text : {"", "  ", "{", "[{", "<", "<tool", "<tool_call>x", "<|py"}) EXPECT_TRUE(may_be_call(text)) << text;
  for (const char* text : {"a", "<b", " hello {", "<tool_x"}) EXPECT_FALSE(may_be_call(text)) << text;
  EXPECT_EQ(call_schema(kTools, "stop")["properties"]["name"]["const"], "stop");
  EXPECT_EQ(call_schema(kTools, "")["anyOf"].size(), 2u);
}

HttpRequest request(std::vector<std::pair<std::string, std::string>> headers, std::string path = "/v1/chat/completions") {
  HttpRequest r;
  r.method = "POST";
  r.path = std::move(path);
  r.header = [headers](const char* name) -> std::optional<std::string> {
    for (const auto& [n, v] : headers)
      if (n == name) return v;
    return std::nullopt;
  };
  r.count = [headers](const char* name) { return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; })); };
  return r;
}

int refusal(const AccessOptions& options, const HttpRequest& r) {
  const auto e = Access(options).refuse(r);
  return e ? e->status : 200;
}

TEST(Access, LoopbackWithoutAKeyElsewhereWithOne) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"}) EXPECT_TRUE(check(AccessOptions{.host = host})) << host;
  for (const char* host : {"0.0.0.0", "::", "192.168.1.2", "example.org", "127.0.0.1.example.org", ""}) {
    const auto s = check(AccessOptions{.host = host});
    ASSERT_FALSE(s) << host;
    EXPECT_EQ(s.error().code, Errc::usage);
    EXPECT_TRUE(check(AccessOptions{.host = host, .keys = {"secret"}}));
  }
  for (const char* key : {"", "a b", "a\n"}) EXPECT_FALSE(check(AccessOptions{.keys = {key}}));
}

TEST(Access, ANameThatIsRebondToThisMachineIsRefused) {
  const AccessOptions o;
  for (const char* host : {"127.0.0.1:8080", "localhost", "[::1]:8080", "LocalHost:1"}) EXPECT_EQ(refusal(o, request({{"Host", host}})), 200) << host;
  for (const char* host : {"evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.168.0.1", "[2001:db8::1]:80", "localhost.evil.example"})
    EXPECT_EQ(refusal(o, request({{"Host", host}})), 403) << host;
  EXPECT_EQ(refusal({.hosts = {"box.lan"}}, request({{"Host", "box.lan:8080"}})), 200);
  EXPECT_EQ(refusal({.host = "0.0.0.0", .keys = {"k"}}, request({{"Host", "any.example"}, {"Authorization", "Bearer k"}})), 200);
}

TEST(Access, PagesOfOtherSitesAreRefusedAndNothingIsReflected) {
  const AccessOptions o;
  EXPECT_EQ(refusal(o, request({{"Host", "127.0.0.1:8080"}, {"Origin", "http://127.0.0.1:8080"}})), 200);
  for (const char* origin : {"http://evil.example", "null", "http://127.0.0.1:9090", "http://127.0.0.1:8080.evil.example", ""})
    EXPECT_EQ(refusal(o, request({{"Host", "127.0.0.1:8080"}, {"Origin", origin}})), 403) << origin;
  EXPECT_TRUE(Access(o).cors_headers(request({{"Host", "127.0.0.1"}, {"Origin", "http://evil.example"}})).empty());
  const AccessOptions open{.origins = {"https://app.example"}};
  EXPECT_EQ(refusal(open, request({{"Host", "127.0.0.1"}, {"Origin", "https://app.example"}})), 200);
  EXPECT_EQ(Access(open).cors_headers(request({{"Host", "127.0.0.1"}, {"Origin", "https://app.example"}}))[0].second, "https://app.example");
  EXPECT_TRUE(Access(open).cors_headers(request({{"Host", "127.0.0.1"}, {"Origin", "https://other.example"}})).empty());
}

TEST(Access, KeysAreComparedAsAWhole) {
  EXPECT_TRUE(same_key("secret", "secret"));
  for (const char* given : {"", "s", "secre", "secrets", "Secret", "secretsecret"}) EXPECT_FALSE(same_key(given, "secret")) << given;
  EXPECT_FALSE(same_key("", "x"));
  const AccessOptions o{.keys = {"one", "two"}};
  const std::pair<std::string, std::string> host{"Host", "127.0.0.1"};
  EXPECT_EQ(refusal(o, request({host})), 401);
  EXPECT_EQ(refusal(o, request({host, {"Authorization", "Bearer two"}})), 200);
  EXPECT_EQ(refusal(o, request({host, {"Authorization", "Bearer three"}})), 401);
  EXPECT_EQ(refusal(o, request({host, {"Authorization", "Basic two"}})), 401);
  EXPECT_EQ(refusal(o, request({host, {"X-Api-Key", "one"}})), 200);
  EXPECT_EQ(refusal(o, request({host}, "/health")), 200);
  EXPECT_EQ(refusal(o, request({host}, "/v1/models")), 200);
  EXPECT_EQ(refusal(o, request({host}, "/metrics")), 401);
}

TEST(Access, AmbiguousHeadsAreRefused) {
  EXPECT_EQ(refusal({}, request({{"Host", "localhost"}, {"Content-Length", "1"}, {"Content-Length", "2"}})), 400);
  EXPECT_EQ(refusal({}, request({{"Host", "localhost"}, {"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}})), 400);
  EXPECT_EQ(refusal({}, request({{"Host", "localhost"}, {"Content-Encoding", "gzip"}})), 415);
}

}  // namespace
}  // namespace onebit::server
