// Schemas of the kinds that people send with response_format and tools.
export const schemas = {
  boolean: { type: "boolean" },
  integer: { type: "integer", minimum: -20, maximum: 120 },
  number: { type: "number", minimum: 0, maximum: 100 },
  "a choice": { enum: ["red", "green", 3, null, "quote\"d"] },
  constant: { const: { a: [1, "x"] } },
  string: { type: "string", minLength: 2, maxLength: 12 },
  pattern: { type: "string", pattern: "^[A-Z]{2,3}-[0-9]{4}(-[a-f]+)?$" },
  date: { type: "string", format: "date" },
  "date and time": { type: "string", format: "date-time" },
  uuid: { type: "string", format: "uuid" },
  ipv4: { type: "string", format: "ipv4" },
  person: {
    type: "object",
    properties: {
      name: { type: "string", minLength: 1, maxLength: 20 }, age: { type: "integer", minimum: 0, maximum: 150 },
      tags: { type: "array", items: { enum: ["a", "b", "c"] }, maxItems: 3 }, married: { type: "boolean" }, mail: { type: ["string", "null"], maxLength: 10 },
    },
    required: ["name", "age"], additionalProperties: false,
  },
  "all optional": { type: "object", properties: { a: { type: "boolean" }, b: { type: "null" }, c: { type: "integer", minimum: 0, maximum: 9 } }, additionalProperties: false },
  nested: {
    type: "object",
    properties: {
      where: { type: "object", properties: { lat: { type: "number", minimum: -90, maximum: 90 }, lon: { type: "number", minimum: -180, maximum: 180 } }, required: ["lat", "lon"], additionalProperties: false },
      when: { type: "array", prefixItems: [{ type: "string", format: "date" }, { type: "integer", minimum: 1, maximum: 31 }], items: false, minItems: 2 },
    },
    required: ["where", "when"], additionalProperties: false,
  },
  union: { anyOf: [{ type: "integer", minimum: 0, maximum: 9 }, { type: "string", maxLength: 3 }, { type: "array", items: { type: "boolean" }, minItems: 1, maxItems: 2 }] },
  "tagged union": {
    oneOf: [
      { type: "object", properties: { kind: { const: "circle" }, r: { type: "integer", minimum: 1, maximum: 50 } }, required: ["kind", "r"], additionalProperties: false },
      { type: "object", properties: { kind: { const: "box" }, w: { type: "integer", minimum: 1, maximum: 50 } }, required: ["kind", "w"], additionalProperties: false },
    ],
  },
  "all of": { allOf: [{ type: "object", properties: { a: { type: "boolean" } }, required: ["a"] }, { properties: { b: { type: "boolean" } }, required: ["b"] }] },
  references: {
    $defs: { point: { type: "object", properties: { x: { type: "integer", minimum: 0, maximum: 9 }, y: { $ref: "#/$defs/coordinate" } }, required: ["x", "y"], additionalProperties: false },
             coordinate: { type: "integer", minimum: 0, maximum: 9 } },
    type: "array", items: { $ref: "#/$defs/point" }, minItems: 1, maxItems: 3,
  },
  "more properties, unbounded": { type: "object", properties: { id: { type: "integer", minimum: 0, maximum: 9 } }, required: ["id"], additionalProperties: { type: "boolean" } },
  "text unbounded": { type: "string" },
  "list unbounded": { type: "array", items: { type: "string" } },
  "tree unbounded": { $defs: { node: { type: "object", properties: { v: { type: "boolean" }, next: { anyOf: [{ type: "null" }, { $ref: "#/$defs/node" }] } }, required: ["v", "next"], additionalProperties: false } },
                      $ref: "#/$defs/node" },
};

export const edges = [
  { schema: schemas.integer, no: [-21, 121, 1.5, "1"] },
  { schema: schemas.string, no: ["a", "abcdefghijklm", 5] },
  { schema: schemas.person, no: [{}, { name: "x" }, { name: "", age: 1 }, { name: "x", age: 151 }, { name: "x", age: 1, tags: ["d"] }, { name: "x", age: 1, more: 1 }] },
  { schema: schemas["tagged union"], no: [{ kind: "circle", w: 1 }, { kind: "box" }, { kind: "other", r: 1 }] },
  { schema: schemas.nested, no: [{ where: { lat: 91, lon: 0 }, when: ["2024-01-01", 1] }, { where: { lat: 1, lon: 0 }, when: ["2024-01-01"] }] },
  { schema: schemas.pattern, no: ["A-1234", "ABC-123", "ABC-1234-", "xABC-1234"] },
  { schema: schemas["more properties, unbounded"], no: [{ id: 1, x: 5 }, { x: true }] },
];
