// The device level: open, upload, multiply, events.
#include "base/checked.h"
#include "capi/ternary_device.h"
#include "npu/runtime/failure.h"

namespace onebit::capi {
namespace {

constexpr uint32_t kMostThreads = 1024;
constexpr onebit_device_options kDefaults{
    .struct_size = sizeof(onebit_device_options), .kind = 0, .index = 0, .threads = 0, .reserved = 0, .isa = nullptr, .xrt_module = nullptr};

// What the build lacks is unavailable.
template <class T>
Value<T> available(Result<T> opened) {
  if (opened) return std::move(*opened);
  if (opened.error().code == Errc::unsupported) return std::unexpected(Failure(ONEBIT_ERROR_UNAVAILABLE, std::move(opened.error().message)));
  return std::unexpected(Failure(std::move(opened.error())));
}

Value<std::unique_ptr<TernaryBackend>> open(const onebit_device_options& o) {
  if (o.threads > kMostThreads) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "threads is {}, expected 0 to {}", o.threads, kMostThreads);
  if (o.reserved != 0) return refuse(ONEBIT_ERROR_UNSUPPORTED, "reserved is {}, expected 0", o.reserved);
  if (o.index != 0 && (o.kind == ONEBIT_DEVICE_CPU || o.kind == ONEBIT_DEVICE_NPU_SIM))
    return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "index is {}, expected 0 for this kind of device", o.index);
  npu::NpuOptions npu;
  npu.index = o.index;
  if (o.xrt_module) npu.xrt_module = o.xrt_module;
  switch (o.kind) {
    case ONEBIT_DEVICE_CPU: return available(open_cpu_backend(o.isa ? o.isa : "auto", o.threads));
    case ONEBIT_DEVICE_NPU_SIM: npu.kind = npu::DeviceKind::sim; return available(open_npu_backend(npu, o.threads));
    case ONEBIT_DEVICE_NPU: npu.kind = npu::DeviceKind::xrt; return available(open_npu_backend(npu, o.threads));
    case ONEBIT_DEVICE_GPU: return refuse(ONEBIT_ERROR_UNAVAILABLE, "the GPU is not available in this build, expected CPU, NPU or NPU simulator");
    default: return refuse(ONEBIT_ERROR_ARGUMENT, "kind is {}, expected one of ONEBIT_DEVICE_* but AUTO", o.kind);
  }
}

Outcome in_range(const char* name, uint64_t value, uint64_t most) {
  if (value >= 1 && value <= most) return {};
  return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "{} is {}, expected 1 to {}", name, value, most);
}

// The stride of an array [count][stride] of `width` elements a row that is to lie in memory; 0 asks for `width`.
Value<size_t> stride_of(const char* name, size_t stride, uint32_t width, uint64_t count, size_t element_bytes) {
  if (stride == 0) stride = width;
  if (stride < width) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "{} is {}, expected 0 or at least {}", name, stride, width);
  const auto elements = checked_mul<uint64_t>(stride, count);
  const auto bytes = elements ? checked_mul<uint64_t>(*elements, element_bytes) : std::nullopt;
  if (!bytes || *bytes > PTRDIFF_MAX)
    return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "{} is {}, expected {} times it to be an array that memory can hold", name, stride, count);
  return stride;
}

struct Elements {
  const uint8_t* data;
  size_t stride;
  uint8_t offset;  // added to an element gives its code
};

Value<Elements> elements(int32_t format, const void* data, size_t stride) {
  switch (format) {
    case ONEBIT_TERNARY_CODES: return Elements{static_cast<const uint8_t*>(data), stride, 0};
    case ONEBIT_TERNARY_I8: return Elements{static_cast<const uint8_t*>(data), stride, 1};
    default: return refuse(ONEBIT_ERROR_ARGUMENT, "format is {}, expected one of ONEBIT_TERNARY_*", format);
  }
}

Outcome check(const Elements& e, uint32_t rows, uint32_t columns) {
  for (uint32_t r = 0; r < rows; ++r) {
    const uint8_t* const row = e.data + r * e.stride;
    uint8_t bad = 0;
    for (uint32_t c = 0; c < columns; ++c) bad |= static_cast<uint8_t>(row[c] + e.offset) > 2;
    if (!bad) continue;
    const auto c = static_cast<uint32_t>(std::find_if(row, row + columns, [&](uint8_t v) { return static_cast<uint8_t>(v + e.offset) > 2; }) - row);
    const int value = e.offset ? static_cast<int8_t>(row[c]) : row[c];
    return refuse(ONEBIT_ERROR_FORMAT, "the weight at row {}, column {} is {}, expected {}", r, c, value, e.offset ? "-1, 0 or 1" : "0, 1 or 2");
  }
  return {};
}

struct Gemm {
  TernaryBackend::Product product;
  uint64_t macs;
};

Value<Gemm> gemm(const SharedWeights& w, const int8_t* x, uint32_t tokens, size_t x_stride, int32_t* out, size_t out_stride) {
  ONEBIT_NEEDED(x);
  ONEBIT_NEEDED(out);
  if (tokens == 0) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "tokens is 0, expected at least 1");
  ONEBIT_ASSIGN(x_stride, stride_of("x_stride", x_stride, w.columns, tokens, sizeof(int8_t)));
  ONEBIT_ASSIGN(out_stride, stride_of("out_stride", out_stride, w.rows, tokens, sizeof(int32_t)));
  return Gemm{{x, tokens, x_stride, out, out_stride}, uint64_t{tokens} * w.rows * w.columns};
}

}  // namespace
}  // namespace onebit::capi

using namespace onebit;
using namespace onebit::capi;

extern "C" {

onebit_status onebit_device_options_init(onebit_device_options* options, size_t struct_size) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(options);
    return write_struct(options, kDefaults, struct_size, "options");
  });
}

onebit_status onebit_device_open(const onebit_device_options* options, onebit_device** device) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(options);
    ONEBIT_NEEDED(device);
    ONEBIT_ASSIGN(const onebit_device_options o, read_options(options, kDefaults, "options"));
    ONEBIT_ASSIGN(auto backend, open(o));
    *device = new onebit_device{std::make_shared<TernaryDevice>(o.kind, std::move(backend))};
    return {};
  });
}

void onebit_device_free(onebit_device* device) { delete device; }

onebit_status onebit_device_get_info(const onebit_device* device, onebit_device_info* info) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(device);
    const TernaryDevice& d = *device->device;
    return write_info(info, onebit_device_info{.struct_size = 0,
                                               .description = d.description().c_str(),
                                               .kind = d.kind(),
                                               .simulated = d.backend().simulated(),
                                               .max_rows = d.backend().max_rows(),
                                               .max_columns = d.backend().max_columns(),
                                               .queue = kQueue,
                                               .reserved = 0});
  });
}

onebit_status onebit_device_get_stats(const onebit_device* device, onebit_device_stats* stats) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(device);
    ONEBIT_NEEDED(stats);
    return write_info(stats, device->device->stats());
  });
}

onebit_status onebit_device_is_lost(const onebit_device* device, int32_t* lost) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(device);
    ONEBIT_NEEDED(lost);
    *lost = device->device->lost();
    return {};
  });
}

onebit_status onebit_device_reopen(onebit_device* device) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(device);
    return device->device->reopen();
  });
}

onebit_status onebit_device_explain(int32_t kind, uint32_t state, int32_t error_number, char* text, size_t capacity, size_t* bytes) {
  return guarded([&]() -> Outcome {
    if (kind != ONEBIT_DEVICE_NPU) return refuse(ONEBIT_ERROR_ARGUMENT, "kind is {}, expected ONEBIT_DEVICE_NPU", kind);
    npu::NpuFailure failure;
    failure.call = "NPU command";
    failure.state = state;
    failure.error = error_number == INT32_MIN ? INT32_MAX : error_number;
    return write_text(npu::explain(failure, npu::host_facts()).message, text, capacity, bytes);
  });
}

onebit_status onebit_weights_create(onebit_device* device, int32_t format, uint32_t rows, uint32_t columns, const void* data, size_t stride,
                                    onebit_weights** weights) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(device);
    ONEBIT_NEEDED(data);
    ONEBIT_NEEDED(weights);
    TernaryDevice& d = *device->device;
    ONEBIT_TRY(in_range("rows", rows, d.backend().max_rows()));
    ONEBIT_TRY(in_range("columns", columns, d.backend().max_columns()));
    ONEBIT_ASSIGN(stride, stride_of("stride", stride, columns, rows, 1));
    ONEBIT_ASSIGN(const Elements e, elements(format, data, stride));
    ONEBIT_TRY(check(e, rows, columns));
    auto w = std::make_unique<onebit_weights>();
    w->shared = std::make_shared<SharedWeights>();
    w->shared->device = device->device;
    w->shared->rows = rows;
    w->shared->columns = columns;
    ONEBIT_ASSIGN(w->shared->matrix, d.add(rows, columns, [&](uint32_t row, uint8_t* codes) {
      const uint8_t* const from = e.data + row * e.stride;
      for (uint32_t c = 0; c < columns; ++c) codes[c] = static_cast<uint8_t>(from[c] + e.offset);
    }));
    *weights = w.release();
    return {};
  });
}

void onebit_weights_free(onebit_weights* weights) { delete weights; }

onebit_status onebit_weights_get_info(const onebit_weights* weights, onebit_weights_info* info) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(weights);
    const SharedWeights& w = *weights->shared;
    return write_info(info, onebit_weights_info{.struct_size = 0, .rows = w.rows, .columns = w.columns, .bytes = w.matrix.bytes});
  });
}

onebit_status onebit_gemm(const onebit_weights* weights, const int8_t* x, uint32_t tokens, size_t x_stride, int32_t* out, size_t out_stride) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(weights);
    const SharedWeights& w = *weights->shared;
    ONEBIT_ASSIGN(const Gemm g, gemm(w, x, tokens, x_stride, out, out_stride));
    return w.device->multiply(w.matrix.id, g.product, g.macs);
  });
}

onebit_status onebit_gemm_submit(const onebit_weights* weights, const int8_t* x, uint32_t tokens, size_t x_stride, int32_t* out,
                                 size_t out_stride, onebit_event** event) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(weights);
    ONEBIT_NEEDED(event);
    const SharedWeights& w = *weights->shared;
    ONEBIT_ASSIGN(const Gemm g, gemm(w, x, tokens, x_stride, out, out_stride));
    auto e = std::make_unique<onebit_event>(onebit_event{weights->shared, std::make_shared<Event>()});
    ONEBIT_TRY(w.device->submit(w.matrix.id, g.product, g.macs, e->event));
    *event = e.release();
    return {};
  });
}

onebit_status onebit_event_wait(onebit_event* event) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(event);
    return event->event->wait();
  });
}

onebit_status onebit_event_query(const onebit_event* event, int32_t* done) {
  return guarded([&]() -> Outcome {
    ONEBIT_NEEDED(event);
    ONEBIT_NEEDED(done);
    *done = event->event->done();
    return {};
  });
}

void onebit_event_free(onebit_event* event) {
  if (!event) return;
  event->event->settle();
  delete event;
}

}
