// What training leaves behind: the vocabulary and the f32 master weights. A file of this program only;
// models for others are written by export_gguf().
#pragma once

#include <string>

#include "bpe.h"
#include "model.h"

namespace onebit::train {

struct Checkpoint {
  Bpe bpe;
  Model model;
};

Status save_checkpoint(const std::string& path, const Bpe& bpe, const Model& model);
// Quantised, codes up to date, the embedding rounded to f16: the numbers that an exported file gives.
Result<Checkpoint> load_checkpoint(const std::string& path);

// Writes a GGUF of architecture bitnet-b1.58: linears I2_S, the tied embedding F16, norms F32.
Status export_gguf(const std::string& path, const std::string& name, const Checkpoint& checkpoint);

}  // namespace onebit::train
