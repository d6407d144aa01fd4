// A model of the store as JSON, the same in every verb.
#pragma once

#include <nlohmann/json.hpp>

#include "store/store.h"

namespace onebit::cli {

inline nlohmann::ordered_json entry_json(const store::Entry& e) {
  auto files = nlohmann::ordered_json::array();
  for (const store::ModelFile& f : e.files) files.push_back({{"file", f.file}, {"bytes", f.bytes}, {"sha256", f.sha256}});
  return {{"name", e.name}, {"installed", true}, {"bytes", e.bytes()}, {"path", e.path()}, {"source", e.source}, {"pulled", e.pulled},
          {"system", e.system}, {"files", std::move(files)}};
}

}  // namespace onebit::cli
