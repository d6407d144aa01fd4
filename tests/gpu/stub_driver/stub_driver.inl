// The stub's behaviour, included by a file that gives the functions their names. Device memory is host memory; a kernel
// is its name.
#include "stub_driver.h"

#include <cstdlib>
#include <cstring>

namespace {

using stub_driver::Machine;

Machine& machine() {
  static Machine m;
  return m;
}

// Records the call; the error it has to return, or 0.
int called(const char* name) {
  Machine& m = machine();
  m.calls.emplace_back(name);
  if (const auto e = m.errors.find(name); e != m.errors.end()) return e->second;
  if (m.fail_at == name && --m.nth == 0) return m.fail_with;
  return 0;
}

constexpr int kInvalidValue = 1, kOutOfMemory = 2, kNoDevice = 100, kInvalidImage = 200, kNotFound = 500;

void* make(const std::string& kind, size_t bytes = 1) {
  void* p = std::calloc(1, bytes ? bytes : 1);
  if (p) machine().live[p] = kind;
  return p;
}

int destroy(void* p, const std::string& kind) {
  const auto it = machine().live.find(p);
  if (it == machine().live.end() || it->second != kind) {
    machine().violations.push_back("destroys what is not a " + kind);
    return kInvalidValue;
  }
  machine().live.erase(it);
  std::free(p);
  return 0;
}

bool alive(void* p, const std::string& kind) {
  const auto it = machine().live.find(p);
  if (it != machine().live.end() && it->second == kind) return true;
  machine().violations.push_back("uses what is not a " + kind);
  return false;
}

int create(void** out, const char* name, const std::string& kind) {
  if (const int e = called(name)) return e;
  *out = make(kind);
  return 0;
}

int destroyed(void* p, const char* name, const std::string& kind) {
  const int e = called(name);
  const int d = destroy(p, kind);  // real drivers free their side even where they report an earlier fault
  return e ? e : d;
}

int count_devices(int* count, const char* name) {
  if (const int e = called(name)) return e;
  *count = machine().devices;
  return machine().devices ? 0 : kNoDevice;
}

int get_name(char* text, int length, const char* name) {
  if (const int e = called(name)) return e;
  std::strncpy(text, machine().name.c_str(), static_cast<size_t>(length));
  return 0;
}

int allocate(void** out, size_t bytes, const char* name, const std::string& kind) {
  if (const int e = called(name)) return e;
  if (bytes > machine().memory) return kOutOfMemory;
  *out = make(kind, bytes);
  return 0;
}

int register_host(void* p, const char* name) {
  if (const int e = called(name)) return e;
  machine().live[p] = "registration";
  return 0;
}

int unregister_host(void* p, const char* name) {
  const int e = called(name);
  if (machine().live.erase(p) == 0) machine().violations.emplace_back("unregisters what is not registered");
  return e;
}

int copy(void* to, const void* from, size_t bytes, void* stream, const char* name) {
  if (const int e = called(name)) return e;
  if (!alive(stream, "stream")) return kInvalidValue;
  std::memcpy(to, from, bytes);
  return 0;
}

int load_module(void** out, const void* image, const char* name) {
  if (const int e = called(name)) return e;
  if (std::memcmp(image, "code", 4) != 0) return kInvalidImage;
  *out = make("module");
  return 0;
}

int find_function(void** out, void* module, const char* function, const char* name) {
  if (const int e = called(name)) return e;
  if (!alive(module, "module")) return kInvalidValue;
  static const char* const known[] = {"first_kernel", "second_kernel"};
  for (const char* k : known) {
    if (std::strcmp(k, function) == 0) {
      *out = const_cast<char*>(k);
      return 0;
    }
  }
  return kNotFound;
}

int launch_kernel(void* f, const unsigned* grid, const unsigned* block, unsigned shared, void* stream, void** parameters, const char* name) {
  if (const int e = called(name)) return e;
  if (!alive(stream, "stream")) return kInvalidValue;
  Machine& m = machine();
  std::string text = static_cast<const char*>(f);
  const auto three = [](const unsigned* v) { return std::to_string(v[0]) + "x" + std::to_string(v[1]) + "x" + std::to_string(v[2]); };
  text += " grid " + three(grid) + " block " + three(block) + " shared " + std::to_string(shared) + " first " +
          std::to_string(*static_cast<const uint32_t*>(parameters[0]));
  if (m.capturing)
    ++m.captured;
  else
    m.launches.push_back(text);
  return 0;
}

int begin(void* stream, int mode, const char* name) {
  if (const int e = called(name)) return e;
  if (!alive(stream, "stream") || mode != 2 || machine().capturing) return kInvalidValue;
  machine().capturing = true;
  machine().captured = 0;
  return 0;
}

int end(void* stream, void** graph, const char* name) {
  const bool was = std::exchange(machine().capturing, false);
  if (const int e = called(name)) return e;
  if (!alive(stream, "stream") || !was) return kInvalidValue;
  *graph = make("graph");
  return 0;
}

const char* text_of(int error) {
  switch (error) {
    case 0: return "no error";
    case kOutOfMemory: return "out of memory";
    case kNoDevice: return "no device";
    case kNotFound: return "named symbol not found";
    case 719: return "unspecified launch failure";
    default: return "some error";
  }
}

}  // namespace

extern "C" Machine* stub_machine() { return &machine(); }
