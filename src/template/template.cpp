#include "template/template.h"

#include "template/interpreter.h"

namespace onebit {

using jinja::Interpreter;

struct Template::Impl {
  TemplateLimits limits;
  jinja::Program program;
};

Template::Template(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view source, const TemplateLimits& limits) {
  auto program = jinja::parse_program(source, limits);
  if (!program) return with_context(std::move(program).error(), "template");
  return Template(std::make_shared<const Impl>(Impl{limits, std::move(*program)}));
}

Result<Rendered> Template::render(const nlohmann::ordered_json& variables, const nlohmann::ordered_json& trusted) const {
  Interpreter interpreter(impl_->limits);
  for (const bool data : {true, false}) {
    const auto& values = data ? variables : trusted;
    if (!values.is_object()) return fail(Errc::usage, "template: variables that are no object");
    const size_t depth = impl_->limits.depth;
    if (jinja::json_nesting(values, depth) > depth) return fail(Errc::out_of_range, "template: variables nested more than {} deep", depth);
    for (const auto& [name, value] : values.items()) interpreter.define(name, jinja::from_json(value, data));
  }
  auto text = interpreter.run(impl_->program);
  if (!text) return with_context(std::move(text).error(), "template");
  return Rendered{std::move(text->bytes), std::move(text->data)};
}

}  // namespace onebit
