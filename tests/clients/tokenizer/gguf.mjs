// Writes a GGUF v3 file that holds only metadata, from a Hugging Face tokenizer.json.
import { writeFileSync } from "node:fs";

const TYPE = { uint32: 4, int32: 5, bool: 7, string: 8, array: 9 };

class Writer {
  chunks = [];
  bytes(b) { this.chunks.push(b); }
  u32(v) { const b = Buffer.alloc(4); b.writeUInt32LE(v); this.bytes(b); }
  u64(v) { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(v)); this.bytes(b); }
  string(s) { const b = Buffer.from(s, "utf8"); this.u64(b.length); this.bytes(b); }
  key(name, type) { this.string(name); this.u32(type); }
}

const TOKEN_TYPE = { normal: 1, control: 3, userDefined: 4, unused: 5 };

// `tokenizer`: the parsed tokenizer.json; `pre`: tokenizer.ggml.pre, left out when null.
export function writeVocabulary(path, tokenizer, { pre, bos, eos, addBos }) {
  const added = new Map(tokenizer.added_tokens.map((t) => [t.id, t]));
  const texts = [], types = [];
  for (const [text, id] of Object.entries(tokenizer.model.vocab)) { texts[id] = text; types[id] = TOKEN_TYPE.normal; }
  for (const [id, t] of added) { texts[id] = t.content; types[id] = t.special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined; }
  for (let id = 0; id < texts.length; ++id)
    if (texts[id] === undefined) { texts[id] = `[UNUSED_${id}]`; types[id] = TOKEN_TYPE.unused; }
  const merges = tokenizer.model.merges.map((m) => (Array.isArray(m) ? m.join(" ") : m));

  const keys = [
    (w) => { w.key("general.architecture", TYPE.string); w.string("llama"); },
    (w) => { w.key("tokenizer.ggml.model", TYPE.string); w.string("gpt2"); },
    ...(pre === null ? [] : [(w) => { w.key("tokenizer.ggml.pre", TYPE.string); w.string(pre); }]),
    (w) => strings(w, "tokenizer.ggml.tokens", texts),
    (w) => {
      w.key("tokenizer.ggml.token_type", TYPE.array); w.u32(TYPE.int32); w.u64(types.length);
      w.bytes(Buffer.from(Int32Array.from(types).buffer));
    },
    (w) => strings(w, "tokenizer.ggml.merges", merges),
    ...(bos === undefined ? [] : [(w) => { w.key("tokenizer.ggml.bos_token_id", TYPE.uint32); w.u32(bos); }]),
    (w) => { w.key("tokenizer.ggml.eos_token_id", TYPE.uint32); w.u32(eos); },
    (w) => { w.key("tokenizer.ggml.add_bos_token", TYPE.bool); w.bytes(Buffer.from([addBos ? 1 : 0])); },
  ];
  const w = new Writer();
  w.bytes(Buffer.from("GGUF")); w.u32(3); w.u64(0); w.u64(keys.length);
  for (const write of keys) write(w);
  writeFileSync(path, Buffer.concat(w.chunks));
  return texts.length;
}

function strings(w, name, list) {
  w.key(name, TYPE.array); w.u32(TYPE.string); w.u64(list.length);
  for (const s of list) w.string(s);
}
