// Models on this machine: a folder of the user's, and one that came with the system (read only).
//
//   STORE/NAME/model.json      what it is and where it came from; written last
//   STORE/NAME/FILE.gguf       or several shards
//   STORE/NAME.gguf            a file that someone put there is a model too
//   STORE/.NAME.incoming/      a pull that is going on or broke off; locked (flock) while it goes on
//
// A model appears and is replaced by the rename of a folder, so it is there whole or not at all, and a program that has the old
// files mapped keeps them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace onebit::store {

struct ModelFile {
  std::string file;
  uint64_t bytes = 0;
  std::string sha256;  // empty for a file that was put there by hand
};

struct Entry {
  std::string name, source, pulled;  // source, pulled: empty for a file that was put there by hand; pulled as in RFC 3339
  std::string folder;
  std::vector<ModelFile> files;
  bool system = false;  // of the read-only folder

  uint64_t bytes() const;
  // What to open: the file, or the first shard.
  std::string path() const { return folder + "/" + files.front().file; }
};

class Store {
 public:
  // $ONEBIT_MODELS, else $XDG_DATA_HOME/onebit/models, else $HOME/.local/share/onebit/models. Errors: none of them is set.
  static Result<std::string> default_folder();
  // $ONEBIT_SYSTEM_MODELS, else where `make install` puts models.
  static std::string default_system_folder();

  // Neither folder has to be there. `system` may be empty.
  explicit Store(std::string folder, std::string system = {}) : folder_(std::move(folder)), system_(std::move(system)) {}
  static Result<Store> open_default();

  const std::string& folder() const { return folder_; }
  // By name; a model of the user's hides one of the system's.
  std::vector<Entry> list() const;
  // Errors: not a valid name (Errc::usage), no such model, a record that is broken.
  Result<Entry> find(const std::string& name) const;
  // Removes the model and what a pull that broke off has left. Errors: none of that name in the user's folder, being pulled.
  Status remove(const std::string& name) const;

  // The folder that a pull of `name` fills, made if need be and locked until `lock` goes away. Errors: it is being pulled.
  class Lock {
   public:
    Lock() = default;
    Lock(Lock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Lock& operator=(Lock&& other) noexcept {
      std::swap(fd_, other.fd_);
      return *this;
    }
    ~Lock();

   private:
    friend class Store;
    int fd_ = -1;
  };
  Result<std::string> incoming(const std::string& name, Lock* lock) const;
  // Writes the record into the incoming folder and puts it in place of what there was under the name.
  Result<Entry> publish(const Entry& entry) const;

 private:
  std::string incoming_path(const std::string& name) const { return folder_ + "/." + name + ".incoming"; }
  std::string folder_, system_;
};

// What -m means: a file where there is one or where MODEL looks like one (a '/' or ".gguf" in it), else a model of the store.
Result<std::string> resolve_model(const std::string& model);

}  // namespace onebit::store
