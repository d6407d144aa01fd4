#include "npu/image/kernel_metadata.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "npu/device/device.h"

namespace onebit::npu {
namespace {

using Attributes = std::map<std::string, std::string, std::less<>>;

struct Tag {
  std::string name;
  bool closing = false;  // </name>
  Attributes attributes;
};

// Reads one tag at a time; text between tags, comments and declarations are skipped.
class TagReader {
 public:
  explicit TagReader(std::string_view xml) : xml_(xml) {}

  // False at the end of the document.
  Result<bool> next(Tag* tag) {
    while (true) {
      const size_t open = xml_.find('<', at_);
      if (open == std::string_view::npos) return false;
      const size_t close = xml_.find('>', open);
      if (close == std::string_view::npos)
        return fail(Errc::format, "EMBEDDED_METADATA: tag at offset {:#x} does not end, expected '>'", open);
      at_ = close + 1;
      std::string_view body = xml_.substr(open + 1, close - open - 1);
      if (body.starts_with('?') || body.starts_with('!')) continue;
      ONEBIT_TRY(parse(body, open, tag));
      return true;
    }
  }

 private:
  static Status parse(std::string_view body, size_t offset, Tag* tag) {
    tag->closing = body.starts_with('/');
    if (tag->closing) body.remove_prefix(1);
    const size_t end = std::min(body.find_first_of(" \t\r\n/"), body.size());
    tag->name = std::string(body.substr(0, end));
    tag->attributes.clear();
    size_t at = end;
    while (true) {
      at = body.find_first_not_of(" \t\r\n/", at);
      if (at == std::string_view::npos) return {};
      const size_t equals = body.find('=', at);
      const bool quoted = equals != std::string_view::npos && equals + 1 < body.size() &&
                          (body[equals + 1] == '"' || body[equals + 1] == '\'');
      const size_t quote = quoted ? body.find(body[equals + 1], equals + 2) : std::string_view::npos;
      if (quote == std::string_view::npos)
        return fail(Errc::format, "EMBEDDED_METADATA: attribute of <{}> at offset {:#x} is not name=\"value\"", tag->name, offset);
      tag->attributes[std::string(body.substr(at, equals - at))] = std::string(body.substr(equals + 2, quote - equals - 2));
      at = quote + 1;
    }
  }

  std::string_view xml_;
  size_t at_ = 0;
};

std::string attribute(const Tag& tag, std::string_view name) {
  const auto it = tag.attributes.find(name);
  return it == tag.attributes.end() ? std::string() : it->second;
}

// Decimal or 0x hexadecimal; an absent attribute is 0.
Result<uint32_t> number(const Tag& tag, std::string_view name) {
  const std::string text = attribute(tag, name);
  if (text.empty()) return 0;
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const char* begin = text.data() + (hex ? 2 : 0);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(Errc::format, "EMBEDDED_METADATA: {} of <{}> is '{}', expected a number below 2^32", name, tag.name, text);
  return value;
}

Result<KernelArgument> argument(const Tag& tag) {
  KernelArgument a;
  a.name = attribute(tag, "name");
  a.type = attribute(tag, "type");
  ONEBIT_ASSIGN(const uint32_t qualifier, number(tag, "addressQualifier"));
  a.global = qualifier == 1;
  ONEBIT_ASSIGN(a.id, number(tag, "id"));
  ONEBIT_ASSIGN(a.size, number(tag, "size"));
  ONEBIT_ASSIGN(a.offset, number(tag, "offset"));
  return a;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  return out;
}

}  // namespace

KernelMetadata default_kernel() {
  KernelMetadata k{.name = "MLIR_AIE", .instance = "MLIRAIE", .arguments = {}};
  k.arguments = {{"opcode", false, 0, 8, 0x00, "uint64_t", ""},
                 {"instr", true, 1, 8, 0x08, "char *", "SRAM"},
                 {"ninstr", false, 2, 4, 0x10, "uint32_t", ""}};
  for (uint32_t i = 0; i < kMaxBufferArguments; ++i)
    k.arguments.push_back({fmt::format("bo{}", i), true, 3 + i, 8, 0x14 + 8 * i, "void*", "HOST"});
  return k;
}

std::string write_kernel_xml(const KernelMetadata& k) {
  std::string xml = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<project>\n  <platform>\n    <device>\n      <core>\n";
  xml += fmt::format("        <kernel name=\"{}\" language=\"c\" type=\"{}\">\n", escaped(k.name), escaped(k.type));
  xml += fmt::format("          <extended-data dpu_kernel_id=\"{:#x}\" functional=\"0\" subtype=\"1\"/>\n", k.kernel_id);
  for (const KernelArgument& a : k.arguments)
    xml += fmt::format(
        "          <arg name=\"{}\" addressQualifier=\"{}\" id=\"{}\" size=\"{:#x}\" offset=\"0x{:02X}\" hostOffset=\"0x0\" "
        "hostSize=\"{:#x}\" type=\"{}\"/>\n",
        escaped(a.name), a.global ? 1 : 0, a.id, a.size, a.offset, a.size, escaped(a.type));
  xml += fmt::format("          <instance name=\"{}\"/>\n", escaped(k.instance));
  xml += "        </kernel>\n      </core>\n    </device>\n  </platform>\n</project>\n";
  return xml;
}

Result<std::vector<KernelMetadata>> read_kernel_xml(std::string_view xml) {
  std::vector<KernelMetadata> kernels;
  TagReader tags(xml);
  Tag tag;
  while (true) {
    ONEBIT_ASSIGN(const bool more, tags.next(&tag));
    if (!more) return kernels;
    if (tag.closing) continue;
    if (tag.name == "kernel") {
      kernels.push_back({.name = attribute(tag, "name"), .instance = {}, .type = attribute(tag, "type"), .kernel_id = 0, .arguments = {}});
      continue;
    }
    if (kernels.empty()) continue;
    if (tag.name == "extended-data") {
      ONEBIT_ASSIGN(kernels.back().kernel_id, number(tag, "dpu_kernel_id"));
    } else if (tag.name == "arg") {
      ONEBIT_ASSIGN(KernelArgument a, argument(tag));
      kernels.back().arguments.push_back(std::move(a));
    } else if (tag.name == "instance") {
      kernels.back().instance = attribute(tag, "name");
    }
  }
}

}  // namespace onebit::npu
