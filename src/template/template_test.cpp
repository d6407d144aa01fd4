#include "template/template.h"

#include <gtest/gtest.h>

namespace onebit {
namespace {

using Json = nlohmann::ordered_json;

const Json kVariables = Json::parse(R"({
  "name": "World", "n": 3, "x": 2.5, "yes": true, "no": false, "nothing": null, "empty": "", "list": [3, 1, 2], "words": ["b", "a", "C"],
  "users": [{"name": "Ann", "age": 30, "admin": true}, {"name": "Bob", "age": 25, "admin": false}, {"name": "cy", "age": 30}],
  "dict": {"b": 1, "a": [1, "x"], "items": 5}, "uni": "héllo 日本", "text": "  a b\n c  ", "quote": "it's \"so\""
})");

std::string render(std::string_view source, const TemplateLimits& limits = {}) {
  const auto t = Template::parse(source, limits);
  if (!t) return "parse: " + t.error().message;
  const auto r = t->render(kVariables);
  return r ? r->text : "error: " + r.error().message;
}

struct Case {
  const char *source, *want;
};

class Renders : public testing::TestWithParam<Case> {};
TEST_P(Renders, AsExpected) { EXPECT_EQ(render(GetParam().source), GetParam().want) << GetParam().source; }

const Case kExpressions[] = {
    {"Hello {{ name }}!", "Hello World!"},
    {"{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 3 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 1.5 + 1 }}", "7 9 3 3.5 1 -4 2 1024 2.5"},
    {"{{ 1 ~ 2 ~ 'a' }} {{ 'a' + 'b' }} {{ 'ab' * 2 }} {{ [1] + [2] }}", "12a ab abab [1, 2]"},
    {"{{ 4 / 2 }} {{ 1e20 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.0 }}", "2.0 1e+20 0.0001 1e-05 1.0"},
    {"{{ true }} {{ False }} {{ none }} {{ missing }}|", "True False None |"},
    {"{{ 1 < 2 and 2 <= 2 and not 3 > 4 }} {{ 1 < n < 5 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ 'a' != 'b' }}", "True True True True True"},
    {"{{ 2 in list }} {{ 'or' in name }} {{ 'zz' not in name }} {{ 'b' in dict }} {{ 9 in list }}", "True True True True False"},
    {"{{ 'a' if yes else 'b' }} {{ 'a' if no else 'b' }} {{ 'a' if no }}|", "a b |"},
    {"{{ nothing or 'x' }} {{ 'x' and 'y' }} {{ empty or 0 }}", "x y 0"},
    {"{{ list[0] }} {{ list[-1] }} {{ list[9] }}|{{ list[1:] }} {{ list[:-1] }} {{ list[::-1] }} {{ name[1:3] }} {{ uni[1] }} {{ uni[-2:] }}", "3 2 |[1, 2] [3, 1] [2, 1, 3] or é 日本"},
    {"{{ users[0].name }} {{ users[1]['name'] }} {{ dict.a[1] }} {{ dict['items'] }} {{ dict.b }} {{ users.0.age }}", "Ann Bob x 5 1 30"},
    {"{{ {'a': 1, 'b': [true, none, 'q\\'s']} }} {{ (1, 'a') }} {{ (1,) }} {{ [] }} {{ {} }}", "{'a': 1, 'b': [True, None, \"q's\"]} (1, 'a') (1,) [] {}"},
    {"{{ 'a' 'b' }} {{ \"\\u00e9\\n\\x41\" }} {{ '\\d' }}", "ab é\nA \\d"},
    {"{{ {'x': {'y': 1}} }}{{ {'x': {'y': 1}}['x']['y'] }}", "{'x': {'y': 1}}1"},
    {"{{ -n }} {{ +n }} {{ not n }} {{ -n|abs }}", "-3 3 False 3"},
};
INSTANTIATE_TEST_SUITE_P(Expressions, Renders, testing::ValuesIn(kExpressions));

const Case kStatements[] = {
    {"{% if n > 2 %}big{% elif n %}small{% else %}none{% endif %}", "big"},
    {"{% if no %}a{% elif nothing %}b{% else %}c{% endif %}", "c"},
    {"{% for i in list %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}", "3,1,2"},
    {"{% for i in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.length }} {% endfor %}", "1032True3 2121False3 3210False3 "},
    {"{% for i in [] %}x{% else %}empty{% endfor %}", "empty"},
    {"{% for k, v in dict.items() %}{{ k }}={{ v }};{% endfor %}", "b=1;a=[1, 'x'];items=5;"},
    {"{% for k in dict %}{{ k }}{% endfor %} {% for c in 'hé' %}<{{ c }}>{% endfor %}", "baitems <h><é>"},
    {"{% for u in users if u.admin %}{{ u.name }}{{ loop.length }}{% endfor %}", "Ann1"},
    {"{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}", "0134"},
    {"{% for i in list %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {{ loop.cycle('a', 'b') }} {% endfor %}", "<3>1 a 3<1>2 b 1<2> a "},
    {"{% for i in [1, 1, 2] %}{{ loop.changed(i) }} {% endfor %}", "True False True "},
    {"{% set a = 1 %}{% for i in list %}{% set a = i %}{% endfor %}{{ a }}", "1"},
    {"{% set ns = namespace(a=1, b='x') %}{% for i in list %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}", "7x"},
    {"{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set c %}block {{ a }}{% endset %}{{ c }} {% set d | upper %}up{% endset %}{{ d }}", "12 block 1 UP"},
    {"{% macro m(a, b='B', c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=2, b=3) }} {{ m() }}", "1BNone 132 BNone"},
    {"{% macro f(n) %}{% if n > 1 %}{{ n * f(n - 1) | int }}{% else %}1{% endif %}{% endmacro %}{{ f(5) }}", "120"},
    {"{% macro w() %}<{{ caller('x') }}>{% endmacro %}{% call(v) w() %}{{ v }}{{ name }}{% endcall %}", "<xWorld>"},
    {"{% filter upper %}a{{ name }}{% endfilter %} {% with q = 1, r = 2 %}{{ q }}{{ r }}{% endwith %}{{ q }}", "AWORLD 12"},
    {"{% generation %}a{{ n }}{% endgeneration %}", "a3"},
    {"{# comment #}a{# more\nlines #}b", "ab"},
    {"{% raw %}{{ x }}{% not %}{% endraw %}", "{{ x }}{% not %}"},
    {"{% for i in [1, [2, [3]]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{% endif %}{% endfor %}", "1(2(3))"},
    {"{% do list %}{{ 'x' }}", "x"},
};
INSTANTIATE_TEST_SUITE_P(Statements, Renders, testing::ValuesIn(kStatements));

const Case kWhitespace[] = {
    {"a\n", "a"},
    {"a\n\n", "a\n"},
    {"a\r\nb\r\n", "a\nb"},
    {"{% if yes %}\n  x\n{% endif %}\ny", "  x\ny"},
    {"  {% if yes %}  \nx{% endif %}", "  \nx"},
    {"a  {% if yes %} b {% endif %} c", "a   b  c"},
    {"a \n {%- if yes -%} \n b \n {%- endif -%} \n c", "abc"},
    {"a {{- ' b ' -}} c", "a b c"},
    {"  {%+ if yes %}x{% endif %}", "  x"},
    {"{% if yes +%}\nx{% endif %}", "\nx"},
    {"  {# c #}\n  {# d #}\nx", "x"},
    {"{{ name }}\n x", "World\n x"},
    {"{% if yes %}\n   {% if yes %}\n    x\n   {% endif %}\n{% endif %}", "    x\n"},
};
INSTANTIATE_TEST_SUITE_P(Whitespace, Renders, testing::ValuesIn(kWhitespace));

const Case kFilters[] = {
    {"{{ words | sort }} {{ list | sort(reverse=true) }} {{ users | sort(attribute='age') | map(attribute='name') | list }}", "['a', 'b', 'C'] [3, 2, 1] ['Bob', 'Ann', 'cy']"},
    {"{{ list | join('-') }} {{ users | join(', ', attribute='name') }} {{ [1, 'a', none] | join }}", "3-1-2 Ann, Bob, cy 1aNone"},
    {"{{ missing | default('d') }} {{ empty | default('d') }}|{{ empty | d('d', true) }} {{ nothing | default('x') }}", "d |d None"},
    {"{{ name | length }} {{ uni | length }} {{ list | count }} {{ dict | length }}", "5 8 3 3"},
    {"{{ name | upper }} {{ name | lower }} {{ 'a bC' | title }} {{ 'aBC' | capitalize }}", "WORLD world A Bc Abc"},
    {"[{{ text | trim }}] {{ 'xxaxx' | trim('x') }}", "[a b\n c] a"},
    {"{{ list | first }}{{ list | last }}{{ list | max }}{{ list | min }}{{ list | sum }} {{ [] | first }}|", "32316 |"},
    {"{{ [1, 1, 2, 'a', 'A'] | unique | list }} {{ list | reverse | list }} {{ 'abc' | reverse }}", "[1, 2, 'a'] [2, 1, 3] cba"},
    {"{{ '42' | int + 1 }} {{ 'x' | int(7) }} {{ 3.9 | int }} {{ '2.5' | float }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ -3 | abs }}", "43 7 3 2.5 2.57 2.0 3"},
    {"{{ users | selectattr('admin') | map(attribute='name') | join }} {{ users | rejectattr('admin', 'defined') | map(attribute='name') | join }}", "Ann cy"},
    {"{{ users | selectattr('age', 'equalto', 30) | list | length }} {{ list | select('odd') | list }} {{ list | reject('>', 2) | list }}", "2 [3, 1] [1, 2]"},
    {"{{ words | map('upper') | join }} {{ users | map(attribute='none', default='-') | join }}", "BAC ---"},
    {"{{ 'a\nb\n\nc' | indent(2) }}|{{ 'a\nb' | indent(1, true) }}", "a\n  b\n\n  c| a\n b"},
    {"{{ 'a-b' | replace('-', '+') }} {{ '<a & \"b\">' | e }} {{ 5 | string + '!' }}", "a+b &lt;a &amp; &#34;b&#34;&gt; 5!"},
    {"{{ dict | items | list }} {{ dict | dictsort | map('first') | join(',') }}", "[('b', 1), ('a', [1, 'x']), ('items', 5)] a,b,items"},
    {"{{ dict | tojson }} {{ uni | tojson }} {{ [1.0, none, true, quote] | tojson }}", "{\"b\": 1, \"a\": [1, \"x\"], \"items\": 5} \"héllo 日本\" [1.0, null, true, \"it's \\\"so\\\"\"]"},
    {"{{ {'a': [1, 2], 'b': {}} | tojson(indent=2) }}", "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}"},
    {"{{ dict | tojson(separators=(',', ':'), sort_keys=true) }} {{ uni | tojson(ensure_ascii=true) }}", "{\"a\":[1,\"x\"],\"b\":1,\"items\":5} \"h\\u00e9llo \\u65e5\\u672c\""},
    {"{{ 'a  b c' | wordcount }} {{ text | string | length }}", "3 10"},
};
INSTANTIATE_TEST_SUITE_P(Filters, Renders, testing::ValuesIn(kFilters));

const Case kMethods[] = {
    {"[{{ text.strip() }}][{{ text.lstrip() }}][{{ text.rstrip() }}] {{ 'éxé'.strip('é') }} {{ 'abcba'.strip('ab') }}", "[a b\n c][a b\n c  ][  a b\n c] x c"},
    {"{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a b c'.split(none, 1) }} {{ 'x</t>y'.split('</t>')[-1] }}",
     "['a', 'b', '', 'c'] ['a', 'b'] ['a', 'b,c'] ['a,b', 'c'] ['a', 'b c'] y"},
    {"{{ name.startswith('Wo') }} {{ name.endswith(('x', 'ld')) }} {{ name.find('r') }} {{ name.find('q') }} {{ 'aXbX'.rfind('X') }} {{ 'aaa'.count('a') }}", "True True 2 -1 3 3"},
    {"{{ 'abc'.upper() }} {{ 'ABC'.lower() }} {{ 'a b'.title() }} {{ 'a'.replace('a', 'bb') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'ab'.replace('', '-') }}", "ABC abc A B bb bba -a-b-"},
    {"{{ '-'.join(['a', 'b']) }} {{ 'a\\nb\\r\\nc'.splitlines() }} {{ 'prefix'.removeprefix('pre') }} {{ '{} {1} {n}'.format(1, 2, n=3) }}", "a-b ['a', 'b', 'c'] fix 1 2 3"},
    {"{{ 'éa ß'.upper() }} {{ 'ÉA Ж' | lower }} {{ 'éa' | capitalize }} {{ 'a éb' | title }}", "ÉA ß éa ж Éa A Éb"},
    {"{{ '12'.isdigit() }} {{ ''.isdigit() }} {{ 'aB'.isalpha() }} {{ 'AB'.isupper() }}", "True False True True"},
    {"{{ dict.get('b') }} {{ dict.get('zz') }} {{ dict.get('zz', 9) }} {{ dict.keys() | list }} {{ dict.values() | list | length }}", "1 None 9 ['b', 'a', 'items'] 3"},
    {"{{ list.index(1) }} {{ list.count(3) }}", "1 1"},
};
INSTANTIATE_TEST_SUITE_P(Methods, Renders, testing::ValuesIn(kMethods));

const Case kTests[] = {
    {"{{ name is defined }} {{ missing is defined }} {{ missing is not defined }} {{ missing is undefined }} {{ nothing is none }} {{ nothing is not none }}", "True False True True True False"},
    {"{{ name is string }} {{ n is number }} {{ x is float }} {{ n is integer }} {{ yes is boolean }} {{ dict is mapping }} {{ list is iterable }} {{ list is sequence }} {{ dict is string }}",
     "True True True True True True True True False"},
    {"{{ 3 is odd }} {{ 4 is even }} {{ 6 is divisibleby 3 }} {{ n is eq(3) }} {{ n is in [1, 3] }} {{ yes is true }} {{ no is false }} {{ 'a' is lower }} {{ range is callable }}", "True True True True True True True True True"},
    {"{{ n is gt 2 and n is lt 4 }} {{ 5 is sameas 5 }} {{ 'x' if n is odd else 'y' }}", "True True x"},
};
INSTANTIATE_TEST_SUITE_P(Tests, Renders, testing::ValuesIn(kTests));

const Case kErrors[] = {
    {"a\n{{ }}", "parse: template: line 2: expected an expression, met '}}'"},
    {"a\n\n{% if x %}", "parse: template: line 3: expected {% endif %}, met the end of the template"},
    {"{% endif %}", "parse: template: line 1: unexpected {% endif %}"},
    {"{{ 'a", "parse: template: line 1: a string that does not end"},
    {"\n{{ a ! b }}", "parse: template: line 2: unexpected '!'"},
    {"{% break %}", "parse: template: line 1: 'break' outside a loop"},
    {"{% include 'x' %}", "parse: template: line 1: {% include %} is not supported"},
    {"{{ 99999999999999999999 }}", "parse: template: line 1: the number 99999999999999999999 is too large"},
    {"{# x", "parse: template: line 1: a comment that does not end"},
    {"\n{{ missing.name }}", "error: template: line 2: 'missing' is undefined, it has no 'name'"},
    {"{{ missing() }}", "error: template: line 1: 'missing' is undefined and cannot be called"},
    {"{{ 1 + 'a' }}", "error: template: line 1: '+' between int and str"},
    {"{{ 1 / 0 }}", "error: template: line 1: '/' by zero"},
    {"{{ 9223372036854775807 + 1 }}", "error: template: line 1: '+' gives an integer beyond 64 bits"},
    {"{{ -9223372036854775807 - 1 }} {{ (-9223372036854775807 - 1) // -1 }}", "error: template: line 1: '//' gives an integer beyond 64 bits"},
    {"{{ 1 < 'a' }}", "error: template: line 1: '<' between int and str"},
    {"{{ x | nosuch }}", "error: template: line 1: the filter 'nosuch' is not supported"},
    {"{{ x is nosuch }}", "error: template: line 1: the test 'nosuch' is not supported"},
    {"\n\n{{ raise_exception('No ' ~ name) }}", "error: template: line 3: No World"},
    {"{% for a, b in [[1]] %}{% endfor %}", "error: template: line 1: 1 values for 2 names"},
    {"{% for a in 5 %}{% endfor %}", "error: template: line 1: a int cannot be iterated over"},
    {"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "error: template: line 1: 2 arguments for the 1 parameters of 'm'"},
    {"{{ missing | tojson }}", "error: template: line 1: 'missing' is undefined and cannot be written as JSON"},
    {"{% macro w() %}{% set ns.f = caller %}{% endmacro %}{% set ns = namespace() %}{% call w() %}x{% endcall %}{{ ns.f() }}", "error: template: line 1: caller() after its call block"},
    {"{{ name.format_map(1) }}", "error: template: line 1: 'format_map' is undefined and cannot be called"},
};
INSTANTIATE_TEST_SUITE_P(Errors, Renders, testing::ValuesIn(kErrors));

TEST(TemplateLimits, Hold) {
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(render("{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}"), "more than 4000000 steps"));
  EXPECT_TRUE(has(render("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "nested more than"));
  EXPECT_TRUE(has(render("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}"), "nested more than"));
  EXPECT_TRUE(has(render("{{ 'x' * 1000000000 }}"), "more than"));
  EXPECT_TRUE(has(render("{{ [1] * 1000000000 }}"), "more than"));
  EXPECT_TRUE(has(render("{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s | length }}"), "more than"));
  EXPECT_TRUE(has(render("{% for i in range(99999999999) %}{% endfor %}"), "steps"));
  EXPECT_TRUE(has(render("{{ 'aaaa' | replace('a', 'b' * 1000) }}", {.output_bytes = 2000}), "more than 2000 bytes"));
  EXPECT_TRUE(has(render("{{ 'a' | indent(100000) }}"), "expected 0 to 1000"));
  for (const char* deep : {"(", "[", "{'a':", "not ", "-", "{% if x %}", "{{ x if "}) {
    std::string source = deep[1] == '%' ? "" : "{{ ";
    for (int i = 0; i < 100000; ++i) source += deep;
    EXPECT_TRUE(has(render(source), "nested more than") || has(render(source), "expected")) << deep << ": " << render(source).substr(0, 200);
  }
  std::string chain = "{{ 'a'";
  for (int i = 0; i < 100000; ++i) chain += " ~ 'a'";
  EXPECT_TRUE(has(render(chain + " }}"), "nested more than"));
  EXPECT_TRUE(has(render(std::string(100, 'a'), {.source_bytes = 99}), "expected at most 99"));
  // A namespace that holds itself is freed and printed.
  EXPECT_EQ(render("{% set a = namespace() %}{% set a.me = a %}{{ a }}{{ a == a }}"), "<Namespace>True");
  // Values that grow in a chain of lists are not followed for ever.
  EXPECT_TRUE(has(render("{% set ns = namespace(l=[1]) %}{% for i in range(200) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}"), "more than"));
  EXPECT_TRUE(has(render("{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(200) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}"), "more than"));
}

TEST(Template, VariablesAreChecked) {
  const auto t = Template::parse("x");
  ASSERT_TRUE(t);
  EXPECT_FALSE(t->render(Json::array()));
  Json deep = Json::array();
  for (int i = 0; i < 200000; ++i) {
    Json outer = Json::array();
    outer.push_back(std::move(deep));
    deep = std::move(outer);
  }
  EXPECT_FALSE(t->render(Json{{"a", std::move(deep)}}));
}

// The bytes of a rendered text that the input brought in, in brackets.
std::string marked(std::string_view source, const Json& variables, const Json& trusted = Json::object()) {
  const auto t = Template::parse(source);
  EXPECT_TRUE(t) << t.error().message;
  const auto r = t->render(variables, trusted);
  EXPECT_TRUE(r) << r.error().message;
  std::string out;
  size_t at = 0;
  for (const ByteRange& d : r->data) {
    EXPECT_LT(d.begin, d.end);
    EXPECT_GE(d.begin, at);
    out += r->text.substr(at, d.begin - at) + "[" + r->text.substr(d.begin, d.end - d.begin) + "]";
    at = d.end;
  }
  return out + r->text.substr(at);
}

TEST(Template, KnowsWhatTheInputBroughtIn) {
  const Json v = Json::parse(R"({"s": " a<b>c ", "m": [{"role": "user", "content": "hi"}, {"role": "<|x|>", "content": "yo"}], "d": {"k": "v"}, "n": 5})");
  const Json trusted = {{"bos", "<s>"}};
  EXPECT_EQ(marked("{{ bos }}x{{ s }}y{{ n }}", v, trusted), "<s>x[ a<b>c ]y5");
  EXPECT_EQ(marked("{{ '<' ~ s.strip() + '>' }}", v), "<[a<b>c]>");
  EXPECT_EQ(marked("{% for m in m %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}", v), "<|user|>[hi]<|[<|x|>]|>[yo]");
  EXPECT_EQ(marked("{{ s.split('<')[1] }}|{{ s[2:4] }}|{{ s | replace('b', 'Q') }}|{{ s | upper }}", v), "[b>c ]|[<b]|[ a<]Q[>c ]|[ A<B>C ]");
  EXPECT_EQ(marked("{{ d | tojson }}{{ {'own': 1} | tojson }}{{ d }}", v), "{[\"k\"]: [\"v\"]}{\"own\": 1}{[\'k\']: [\'v\']}");
  EXPECT_EQ(marked("{% macro w(x) %}({{ x }}){% endmacro %}{{ w(s.strip()) }}{% set q %}-{{ n }}{{ d.k }}{% endset %}{{ q | trim }}", v), "([a<b>c])-5[v]");
  EXPECT_EQ(marked("{{ [s.strip(), 'own'] | join('+') }}{{ 'x' * 2 }}{{ d.k * 2 }}{% for c in d.k %}{{ c }}{% endfor %}", v), "[a<b>c]+ownxx[vvv]");
  EXPECT_EQ(marked("{{ 'a\n' ~ d.k | indent(2) }}{{ '%s'.replace('%s', d.k) }}{{ '<{}>'.format(d.k) }}{{ s | trim | e }}", v), "a\n[vv]<[v]>[a&lt;b&gt;c]");
}

}  // namespace
}  // namespace onebit
