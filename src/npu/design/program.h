// The description of a program for the array, as a value: tiles, fifos, kernels, parameters.
//
//   Program p("add_one");
//   const TileId core = p.core(0, 2);
//   const Type block = type<int32_t>(256);
//   const Fifo in = p.fifo("in", p.shim(0), {core}, block), out = p.fifo("out", core, {p.shim(0)}, block);
//   p.run(core, [&](Body& b) {
//     b.forever([&] {
//       b.acquire(in);
//       b.acquire(out);
//       b.call("add_one", {in[0], out[0], 256});
//       b.release(in);
//       b.release(out);
//     });
//   });
//   Result<Lowered> lowered = lower(p);   // lower.h: addresses, locks, descriptors, routes, PDI, xclbin
//   Sequence s(*lowered);                 // sequence.h: what one run moves, as an instruction stream
//   s.move(in, 0, linear(0, n)).move(out, 1, linear(0, n));
//   Result<Transaction> stream = s.finish();
//
// Building never fails; lower() checks everything and names what is wrong.
//
// What persists between runs of one context: the array is configured once, by the PDI. Fifos and cores then
// stand where the run before left them: rings keep their position, memory its contents, parameters their
// values. A body inside forever() serves any number of runs; one that ends serves one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "npu/design/types.h"
#include "npu/device/device.h"

namespace onebit::npu::design {

// Handles: positions in the program that made them.
struct Item;
struct Fifo {
  uint32_t index = 0;
  // The element `ahead` places after the oldest one that the body holds.
  Item operator[](unsigned ahead) const;
  bool operator==(const Fifo&) const = default;
};
struct Item {
  Fifo fifo;
  unsigned ahead = 0;
};
inline Item Fifo::operator[](unsigned ahead) const { return {*this, ahead}; }
struct Buffer {  // memory of a core, or constants of a memory tile
  uint32_t index = 0;
};
struct Parameter {  // a 32-bit word in a core's memory that the instruction stream sets
  uint32_t index = 0;
};
struct Store {  // part of a memory tile whose descriptors the instruction stream writes
  uint32_t index = 0;
};
struct Signal {  // a lock of a core that the instruction stream raises and the body waits for
  uint32_t index = 0;
};

// One end of a fifo.
struct End {
  TileId tile;
  unsigned depth = 0;         // elements in this end's ring; 0: the fifo's
  Pattern pattern{};          // how the DMA of this end walks an element
  Type type{};                // of an element at this end; without a shape: the fifo's

  End(TileId at) : tile(at) {}  // NOLINT(google-explicit-constructor): a tile is an end
  End with_depth(unsigned n) const { End e = *this; e.depth = n; return e; }
  End with_pattern(Pattern p) const { End e = *this; e.pattern = std::move(p); return e; }
  // Ends may cut the stream differently: one's bytes are a whole multiple of the other's.
  End with_type(Type t) const { End e = *this; e.type = std::move(t); return e; }
};
std::vector<End> ends(const std::vector<TileId>& tiles);

enum class Transport : uint8_t {
  automatic,  // shared where possible, else stream
  stream,     // DMA and switches
  shared,     // a ring in memory that both cores reach: neighbours, one consumer, no pattern
};

struct FifoOptions {
  unsigned depth = 2;  // of every end that names none
  Transport transport = Transport::automatic;
  unsigned repeat = 1;  // times that a memory tile sends each element
};

// An argument of a kernel: number, parameter (its value when the call is made), buffer, fifo element.
struct Argument {
  std::variant<int32_t, Parameter, Buffer, Item> body;

  template <std::integral T>
  Argument(T number) : body(static_cast<int32_t>(number)) {}  // NOLINT(google-explicit-constructor)
  Argument(Parameter p) : body(p) {}                          // NOLINT(google-explicit-constructor)
  Argument(Buffer b) : body(b) {}                             // NOLINT(google-explicit-constructor)
  Argument(Item i) : body(i) {}                               // NOLINT(google-explicit-constructor)
};

// Times that a loop runs: a number, or a parameter read when the loop is entered.
struct Count {
  std::variant<uint32_t, Parameter> body;
  template <std::integral T>
  Count(T number) : body(static_cast<uint32_t>(number)) {}  // NOLINT(google-explicit-constructor)
  Count(Parameter p) : body(p) {}                           // NOLINT(google-explicit-constructor)
};

// What a core runs, step by step. Acquire and release act on the end of the fifo that the core is: a
// consumer acquires elements that have arrived, a producer ones that are free. A loop's body leaves as
// many elements held as it found.
struct Step;
struct AcquireElements { Fifo fifo; unsigned count; };
struct ReleaseElements { Fifo fifo; unsigned count; };
struct WaitSignal { Signal signal; };
struct CallKernel { std::string kernel; std::vector<Argument> arguments; };
struct Repeat { bool forever; Count count; std::vector<Step> body; };
struct Step {
  std::variant<AcquireElements, ReleaseElements, WaitSignal, CallKernel, Repeat> body;
};

class Body {
 public:
  void acquire(Fifo fifo, unsigned count = 1);  // `count` more
  void release(Fifo fifo, unsigned count = 1);  // the oldest `count`
  void wait(Signal signal);
  void call(std::string kernel, std::vector<Argument> arguments);
  void loop(Count count, const std::function<void()>& body);
  void forever(const std::function<void()>& body);

  std::vector<Step> take() { return std::move(steps_); }

 private:
  void nest(bool forever, Count count, const std::function<void()>& body);
  std::vector<Step> steps_;
};

// Compiled code and data of a core: program memory from 0, data in the core's view (0x70000 is its own).
struct Segment {
  uint32_t address = 0;
  std::vector<uint8_t> bytes;
};

// The parts of a description as lower() reads them.
struct FifoSpec {
  std::string name;
  End from;
  std::vector<End> to;
  Type type;
  FifoOptions options;
};
struct BufferSpec {
  std::string name;
  TileId tile;
  Type type;
  std::vector<uint8_t> initial;  // empty, or type.bytes() bytes
};
struct ParameterSpec {
  std::string name;
  TileId tile;
  int32_t initial;
};
struct SignalSpec {
  std::string name;
  TileId tile;
};
// Fifos that meet in a memory tile and share its ring there.
struct LinkSpec {
  enum class Kind : uint8_t { forward, split, join } kind;
  std::vector<Fifo> in, out;
  std::vector<uint64_t> offsets{};  // of the parts in the whole element, in elements
  uint32_t store_slots = 0;         // not 0: no ring, a store of so many slots
  uint32_t store_bytes = 0;
};
struct FeedSpec {
  Buffer buffer;
  Fifo fifo;
};
struct CoreSpec {
  TileId tile;
  std::vector<Step> steps;
  std::vector<Segment> code;
};

class Program {
 public:
  explicit Program(std::string name, const Device& device = npu::device(Generation::aie2p)) : name_(std::move(name)), device_(&device) {}

  // Tiles by column, and cores by row of the grid (2 is the lowest).
  TileId shim(unsigned column) const { return tile(column, 0); }
  TileId mem(unsigned column) const { return tile(column, 1); }
  TileId core(unsigned column, unsigned row) const { return tile(column, row); }

  // Elements go from one end to one or several others, each of which gets all of them. An end in a shim is
  // driven by the sequence; one in a core by its body; one in a memory tile belongs to a forward, split,
  // join or feed.
  Fifo fifo(std::string name, End from, std::vector<End> to, Type type, FifoOptions options = {});

  // A tile receives elements of `in` and sends them as `out`, by DMA alone; in a core tile too. The ring has the depth of the
  // receiving end; the sent element is the received one, whatever its type is called.
  void forward(Fifo in, Fifo out);
  // A memory tile receives whole elements and sends part i as outs[i]; or receives parts and sends the
  // whole, part after part. Patterns of the parts start at the part. Offsets are in elements of the whole;
  // without them the parts are equal and follow each other.
  void split(Fifo in, std::vector<Fifo> outs, std::vector<uint64_t> offsets = {});
  void join(std::vector<Fifo> ins, Fifo out, std::vector<uint64_t> offsets = {});
  // A memory tile sends the buffer's contents for ever as elements of the fifo.
  void feed(Buffer buffer, Fifo fifo);
  // Memory between `in` and `out` whose filling and sending the instruction stream describes for every run: the
  // program hands out `bytes` (a multiple of 64 * slots), a channel for either side, and per slot one descriptor a
  // side and a pair of locks; see PlacedStore. The channels are low ones, which reach the memory tiles east and west
  // as well. For operands that are sent several times, in sizes known at run time.
  Store store(Fifo in, Fifo out, uint32_t bytes, uint32_t slots);

  Buffer buffer(TileId tile, std::string name, Type type, std::vector<uint8_t> initial = {});
  Parameter parameter(TileId core, std::string name, int32_t initial = 0);
  Signal signal(TileId core, std::string name);

  // The body of a core. `steps` is called once, here.
  void run(TileId core, const std::function<void(Body&)>& steps);
  // Compiled code for the core; without it the image runs in the simulator only.
  void code(TileId core, std::vector<Segment> segments);
  // Bytes kept for the stack at the bottom of every core's data memory.
  void stack(uint32_t bytes) { stack_bytes_ = bytes; }

  const std::string& name() const { return name_; }
  const Device& device() const { return *device_; }
  const std::vector<FifoSpec>& fifos() const { return fifos_; }
  const std::vector<BufferSpec>& buffers() const { return buffers_; }
  const std::vector<ParameterSpec>& parameters() const { return parameters_; }
  const std::vector<SignalSpec>& signals() const { return signals_; }
  const std::vector<LinkSpec>& links() const { return links_; }
  const std::vector<FeedSpec>& feeds() const { return feeds_; }
  const std::vector<CoreSpec>& cores() const { return cores_; }
  uint32_t stack_bytes() const { return stack_bytes_; }

 private:
  // Coordinates beyond a byte become ones that no device has.
  static TileId tile(unsigned column, unsigned row) {
    return {static_cast<uint8_t>(column > 255 ? 255 : column), static_cast<uint8_t>(row > 255 ? 255 : row)};
  }
  std::string name_;
  const Device* device_;
  std::vector<FifoSpec> fifos_;
  std::vector<BufferSpec> buffers_;
  std::vector<ParameterSpec> parameters_;
  std::vector<SignalSpec> signals_;
  std::vector<LinkSpec> links_;
  std::vector<FeedSpec> feeds_;
  std::vector<CoreSpec> cores_;
  uint32_t stack_bytes_ = 1024;
  uint32_t store_count_ = 0;
};

}  // namespace onebit::npu::design
