#include "template/builtin.h"

namespace onebit {

// Content may be a list of parts in the OpenAI API; their texts follow each other.
#define ONEBIT_CONTENT                                                                               \
  "{%- macro text(content) -%}"                                                                      \
  "{%- if content is string -%}{{ content }}"                                                        \
  "{%- elif content -%}{%- for part in content -%}{%- if part.type == 'text' -%}{{ part.text }}"     \
  "{%- else -%}{{ raise_exception('content of type ' ~ part.type ~ ', expected text') }}{%- endif -%}" \
  "{%- endfor -%}{%- endif -%}"                                                                      \
  "{%- endmacro -%}"
// Formats without a way to write tools or their results say so.
#define ONEBIT_ROLES                                                                                        \
  "{%- for message in messages -%}{%- if message.role not in ['system', 'user', 'assistant'] -%}"           \
  "{{ raise_exception('role ' ~ message.role ~ ', expected system, user or assistant') }}{%- endif -%}{%- endfor -%}"

const std::array<BuiltinTemplate, 6> kBuiltinTemplates{{
    // "User: text<|eot_id|>Assistant: " (BitNet-b1.58-2B-4T)
    {"bitnet", ONEBIT_CONTENT ONEBIT_ROLES
     "{%- for message in messages -%}{{ message.role | capitalize }}{{ ': ' }}{{ text(message.content) }}{{ '<|eot_id|>' }}{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ 'Assistant: ' }}{%- endif -%}"},
    // <|start_header_id|>user<|end_header_id|>, an empty line, text<|eot_id|>
    {"llama3", ONEBIT_CONTENT ONEBIT_ROLES
     "{%- for message in messages -%}{{ '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\\n\\n' }}{{ text(message.content) }}{{ '<|eot_id|>' }}"
     "{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}"},
    // <|im_start|>user, text<|im_end|>; tools and their results as Qwen 2 writes them
    {"chatml", ONEBIT_CONTENT
     "{%- if tools -%}"
     "{{ '<|im_start|>system\\n' }}"
     "{%- if messages and messages[0].role == 'system' -%}{{ text(messages[0].content) }}{{ '\\n\\n' }}{%- endif -%}"
     "{{ '# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\n"
     "You are provided with function signatures within <tools></tools> XML tags:\\n<tools>' }}"
     "{%- for tool in tools -%}{{ '\\n' }}{{ tool | tojson }}{%- endfor -%}"
     "{{ '\\n</tools>\\n\\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\\n"
     "<tool_call>\\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\\n</tool_call><|im_end|>\\n' }}"
     "{%- endif -%}"
     "{%- for message in messages -%}"
     "{%- if tools and loop.first and message.role == 'system' -%}"
     "{%- elif message.role == 'tool' -%}"
     "{%- if loop.first or loop.previtem.role != 'tool' -%}{{ '<|im_start|>user' }}{%- endif -%}"
     "{{ '\\n<tool_response>\\n' }}{{ text(message.content) }}{{ '\\n</tool_response>' }}"
     "{%- if loop.last or loop.nextitem.role != 'tool' -%}{{ '<|im_end|>\\n' }}{%- endif -%}"
     "{%- elif message.role in ['system', 'user', 'assistant'] -%}"
     "{{ '<|im_start|>' ~ message.role ~ '\\n' }}{{ text(message.content) }}"
     "{%- for call in message.tool_calls or [] -%}"
     "{%- set f = call.function if call.function is defined else call -%}"
     "{%- if message.content or not loop.first -%}{{ '\\n' }}{%- endif -%}"
     "{{ '<tool_call>\\n{\"name\": ' }}{{ f.name | tojson }}{{ ', \"arguments\": ' }}"
     "{%- if f.arguments is string -%}{{ f.arguments }}{%- else -%}{{ f.arguments | tojson }}{%- endif -%}{{ '}\\n</tool_call>' }}"
     "{%- endfor -%}{{ '<|im_end|>\\n' }}"
     "{%- else -%}{{ raise_exception('role ' ~ message.role ~ ', expected system, user, assistant or tool') }}"
     "{%- endif -%}"
     "{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"},
    // <|user|>, text
    {"falcon3", ONEBIT_CONTENT ONEBIT_ROLES
     "{%- for message in messages -%}{{ '<|' ~ message.role ~ '|>\\n' }}{{ text(message.content) }}"
     "{%- if message.role == 'assistant' -%}{{ eos_token }}{%- endif -%}{{ '\\n' }}{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}"},
    // <|user|>, text, the end of text after every message
    {"zephyr", ONEBIT_CONTENT ONEBIT_ROLES
     "{%- for message in messages -%}{{ '<|' ~ message.role ~ '|>\\n' }}{{ text(message.content) }}{{ eos_token ~ '\\n' }}{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}"},
    // A base model: texts follow each other, each on its own line
    {"plain", ONEBIT_CONTENT
     "{%- for message in messages -%}{{ text(message.content) }}{{ '\\n' }}{%- endfor -%}"},
}};

}  // namespace onebit
