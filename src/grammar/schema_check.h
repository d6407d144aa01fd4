// What the converter needs to know of a schema before it writes rules.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace onebit::grammar {

using Json = nlohmann::ordered_json;

// Nesting of arrays and objects, found without recursion; at most `limit` + 1.
size_t nesting(const Json& value, size_t limit);
// Values in it. The nesting must have been checked.
size_t weight(const Json& value);

// The seven types of JSON Schema as bits.
enum TypeBit : unsigned { kNull = 1, kBoolean = 2, kInteger = 4, kNumber = 8, kString = 16, kArray = 32, kObject = 64 };
constexpr unsigned kAnyType = 127;
// The bit of a name, 0 for another name.
unsigned type_bit(std::string_view name);
bool has_type(const Json& value, unsigned types);

// True for keywords that describe and do not restrict, and for names that no standard gives a meaning.
bool is_annotation(std::string_view keyword);
// The type that a restricting keyword is about; 0: all types or none.
unsigned keyword_type(std::string_view keyword);

// Both schemas at once, for allOf and for keywords beside anyOf or $ref. Errors: keywords that cannot be joined.
Result<Json> merge(const Json& a, const Json& b, const std::string& pointer);

// True where it can be proved that no value is valid under both (references are not followed).
bool disjoint(const Json& a, const Json& b, int depth = 8);

}  // namespace onebit::grammar
