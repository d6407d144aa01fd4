// Templates written for these tests with the constructs that templates of models have, and conversations for them.
const tool = (name, properties, required = Object.keys(properties)) =>
  ({ type: "function", function: { name, description: `Calls "${name}" & returns <it>`, parameters: { type: "object", properties, required } } });
const weather = tool("weather", { city: { type: "string", description: "a city, z. B. Zürich" }, days: { type: "integer", default: 1 } }, ["city"]);
const user = (content) => ({ role: "user", content });
const assistant = (content, more = {}) => ({ role: "assistant", content, ...more });
const system = (content) => ({ role: "system", content });
const call = (name, args, id = "call_1") => ({ id, type: "function", function: { name, arguments: args } });

export const conversations = {
  empty: { messages: [], add_generation_prompt: true },
  simple: { messages: [user("Hello")], add_generation_prompt: true },
  "no prompt": { messages: [user("Hello")], add_generation_prompt: false },
  system: { messages: [system("Be brief."), user("Hi")], add_generation_prompt: true },
  turns: { messages: [system("Be brief."), user("Hi"), assistant("Hello."), user("And?"), assistant("Nothing."), user("Ok")], add_generation_prompt: true },
  "ends with an answer": { messages: [user("Hi"), assistant("Hello.")], add_generation_prompt: false },
  unicode: { messages: [system("Réponds en français. 日本語も。"), user("Ça va ? 😀 \u200b\u00a0 Ω")], add_generation_prompt: true },
  whitespace: { messages: [user("  two  spaces \n\n and lines \t"), assistant("\nanswer\n"), user("")], add_generation_prompt: true },
  hostile: { messages: [user("<|im_end|><|eot_id|></s>{{ 7 * 7 }}{% raw %}{# c #}' \" \\")], add_generation_prompt: true },
  tools: { messages: [user("Weather in Bern?")], tools: [weather, tool("now", {})], add_generation_prompt: true },
  "tool calls": { messages: [system("Use tools."), user("Weather?"), assistant("", { tool_calls: [call("weather", { city: "Bern", days: 2 })] }),
                             { role: "tool", name: "weather", content: "{\"sun\": true}", tool_call_id: "call_1" }, assistant("Sunny."), user("Thanks")],
                  tools: [weather], add_generation_prompt: true },
  thinking: { messages: [user("2+2?"), assistant("<think>\nlet me see\n</think>\n\n4"), user("3+3?")], add_generation_prompt: true, enable_thinking: false },
  "two users": { messages: [user("a"), user("b")], add_generation_prompt: true },
  "long": { messages: Array.from({ length: 40 }, (_, i) => (i % 2 ? assistant(`answer ${i}`) : user(`question ${i}`))), add_generation_prompt: true },
};

export const templates = {
  bitnet: `{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = message['role'] | capitalize + ': '+ message['content'] | trim + '<|eot_id|>' %}` +
    `{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}`,
  llama3: `{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}` +
    `{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}`,
  chatml: `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}` +
    `{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`,
  "chatml default system": `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{% endif %}` +
    `{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}{% if (loop.last and add_generation_prompt) or not loop.last %}{{ '<|im_end|>' + '\\n' }}{% endif %}{% endfor %}` +
    `{% if add_generation_prompt and messages and messages[-1]['role'] != 'assistant' %}{{ '<|im_start|>assistant\\n' }}{% endif %}`,
  falcon3: `{%- if tools %}
    {{- '<|system|>\\nTools: ' + tools | tojson + '\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
        {{- '<|system|>\\n' + message['content'] + '\\n' }}
    {%- elif message['role'] == 'user' %}
        {{- '<|user|>\\n' + message['content'] + '\\n' }}
    {%- elif message['role'] == 'assistant' %}
        {%- if not loop.last %}
            {{- '<|assistant|>\\n' + message['content'] + eos_token + '\\n' }}
        {%- else %}
            {{- '<|assistant|>\\n' + message['content'] + eos_token }}
        {%- endif %}
    {%- endif %}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|assistant|>\\n' }}
    {%- endif %}
{%- endfor %}
`,
  "inst, alternating": `{% if messages and messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}` +
    `{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}` +
    `{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}` +
    `{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}` +
    `{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}`,
  zephyr: `{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n' + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}`,
  "tools, thinking": `{%- macro show(content) -%}
    {%- if content is string -%}{{- content -}}{%- else -%}{%- for part in content -%}{{- part.text -}}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages and messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + show(message.content) + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
            {%- set reasoning = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or reasoning) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}{{- '\\n' }}{%- endif %}
                {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
                {{- '<tool_call>\\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}`,
  "tools, json indented": `{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "You have access to the following functions:\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
`,
  "parameters as text": `{%- macro type_of(spec) -%}{%- if spec.type == 'array' -%}list[{{ type_of(spec['items']) }}]{%- else -%}{{ spec.type }}{%- endif -%}{%- endmacro -%}
{%- for tool in tools or [] %}
{{ tool.function.name }}({% for name, spec in tool.function.parameters.properties.items() %}{{ name }}: {{ type_of(spec) }}{% if name not in tool.function.parameters.required %} = {{ spec.default | default('?') }}{% endif %}{% if not loop.last %}, {% endif %}{% endfor %})
{% endfor %}
{%- for message in messages -%}
{{ loop.index }}/{{ loop.length }} {{ message.role | upper }}: {{ message.content | replace('\\n', ' ') | trim }}
{% endfor -%}`,
};

export const snippets = [
  "{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ n - 5 }} {{ (1 + 2) * 3 }}",
  "{{ 'a' ~ 1 ~ 'b' }} {{ 'x' + s }}|{{ s | trim }}|{{ s | upper }}|{{ s.strip() | capitalize }}|{{ 'ab cd' | title }}",
  "{{ words | join(', ') }} {{ words | first }} {{ words | last }} {{ words | length }} {{ s | length }}",
  "{{ words | sort | join }} {{ words | reverse | join }} {{ [3, 1, 2] | sort | join('-') }}",
  "{{ users | map(attribute='name') | join(',') }} {{ users | selectattr('ok') | map(attribute='name') | join }} {{ users | rejectattr('ok') | map(attribute='name') | join }}",
  "{{ users | selectattr('name', 'equalto', 'Ann') | list | length }}",
  "{{ d | tojson }} {{ d | tojson(indent=2) }} {{ 'é\"\\n' | tojson }} {{ [] | tojson }} {{ {} | tojson }} {{ 1.5 | tojson }} {{ none | tojson }} {{ true | tojson }}",
  "{% for k, v in d.items() %}{{ k }}={{ v | tojson }};{% endfor %}{% for k in d.keys() %}{{ k }}{% endfor %}",
  "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
  "{% for i in range(2, 10, 3) %}{{ i }},{% endfor %}{% for x in [] %}{% else %}none{% endfor %}",
  "{% for u in users if u.age > 26 %}{{ loop.index }}{{ u.name }}{% endfor %}",
  "{% set ns = namespace(total=0) %}{% for u in users %}{% set ns.total = ns.total + u.age %}{% endfor %}{{ ns.total }}",
  "{% macro hi(a, b='B') %}[{{ a }}{{ b }}]{% endmacro %}{{ hi(1) }}{{ hi(1, 2) }}{{ hi(1, b=3) }}",
  "{% set x = 5 %}{% if x > 3 and not x == 4 or false %}yes{% else %}no{% endif %} {{ 'a' if x is odd else 'b' }}",
  "{{ words[0] }} {{ words[-1] }} {{ words[1:] | join }} {{ s[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[1:5:2] }}",
  "{% if 'a' in words and 'z' not in words and 'b' in d and 'ell' in 'hello' %}in{% endif %}",
  "{{ missing | default('none') }} {{ '' | default('e', true) }} {% if missing is not defined %}undefined{% endif %}",
  "{% if n is number and s is string and d is mapping and words is iterable and missing is undefined and none is none %}tests{% endif %}",
  "{{ 'a,b,c'.split(',') | join('+') }} {{ 'a b'.split() | length }} {{ 'hello'.replace('l', 'L') }} {{ 'abc'.startswith('ab') | string | lower }}",
  "{{ 'line1\\nline2\\nline3' | indent(2) }}",
  "  {% if true %}\n  indented\n  {% endif %}\nend\n",
  "a {%- if true -%} b {%- endif -%} c\n\n",
  "{# comment #}x{#- another -#} y",
  "{%- for m in messages %}\n    {{- m.content }}\n{%- endfor %}\n",
  "{{ {'a': 1, 'b': [1, 2]}['b'][1] }} {{ (1, 2)[0] }} {{ d.a[1] }} {{ d['a'][0] }}",
  "{{ -3 | abs }} {{ '42' | int + 1 }} {{ '1.5' | float + 1 }} {{ [1, 1, 2] | unique | list | length }}",
  "{% set a %}block {{ n }}{% endset %}{{ a | upper }}{% filter upper %}low{% endfilter %}",
  "{% macro wrap() %}<{{ caller() }}>{% endmacro %}{% call wrap() %}in{% endcall %}",
  "{% generation %}answer{% endgeneration %}",
  "{% for m in messages %}{{ loop.first | string | lower }}{{ loop.last | string | lower }}{{ loop.index0 }}{{ loop.revindex }}{% endfor %}",
];
