#include "npu/runtime/device.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "npu/image/kernel_metadata.h"
#include "npu/image/xclbin.h"
#include "npu/runtime/failure.h"
#include "npu/runtime/sim_backend.h"
#include "npu/runtime/xrt_module.h"

namespace onebit::npu {
namespace {

constexpr size_t kMaxBufferBytes = size_t{1} << 32;

std::unexpected<Error> explained(const NpuFailure& failure) { return std::unexpected(explain(failure, host_facts())); }

// The name that xrt::kernel wants.
Result<std::string> kernel_name(const Xclbin& xclbin) {
  const Section* section = xclbin.find(SectionKind::embedded_metadata);
  const Metadata* metadata = section ? std::get_if<Metadata>(&section->body) : nullptr;
  if (!metadata) return fail(Errc::format, "xclbin: no EMBEDDED_METADATA, expected the XML of one kernel");
  ONEBIT_ASSIGN(const auto kernels, read_kernel_xml(metadata->xml));
  if (kernels.size() != 1) return fail(Errc::unsupported, "xclbin: {} kernels, expected one", kernels.size());
  return kernels[0].name;
}

}  // namespace

const char* name(DeviceKind kind) { return kind == DeviceKind::sim ? "npu-sim" : "npu"; }

Result<std::unique_ptr<NpuDevice>> NpuDevice::open(const NpuOptions& options) {
  std::unique_ptr<NpuBackend> backend;
  if (options.kind == DeviceKind::sim) {
    backend = make_sim_backend(options.array ? *options.array : npu::device(Generation::aie2p), options.sim);
  } else {
    ONEBIT_ASSIGN(const XrtBackendFactory factory, load_xrt_module(options.xrt_module));
    NpuFailure failure;
    backend.reset(factory(options.index, &failure));
    if (!backend) return explained(failure);
  }
  return std::unique_ptr<NpuDevice>(new NpuDevice(options.kind, std::move(backend)));
}

NpuDevice::NpuDevice(DeviceKind kind, std::unique_ptr<NpuBackend> backend) : kind_(kind), backend_(std::move(backend)) {}

NpuDevice::~NpuDevice() {
  while (!pending_.empty())
    if (!wait({pending_.front().id})) break;
  for (auto* list : {&pending_, &abandoned_})
    for (Pending& p : *list) p.run.reset();
  backend_->close_context();
}

std::string NpuDevice::description() const { return backend_->description(); }

Status NpuDevice::load(Bytes bytes) {
  if (!image_.empty()) return fail(Errc::usage, "an image is loaded already, expected one per device");
  ONEBIT_ASSIGN(const Xclbin xclbin, read_xclbin(bytes));
  ONEBIT_ASSIGN(kernel_, kernel_name(xclbin));
  if (backend_->needs_machine_code()) {
    ONEBIT_ASSIGN(const auto tile, core_without_machine_code(bytes, npu::device(Generation::aie2p)));
    if (tile)
      return fail(Errc::unsupported,
                  "core {} has no machine code, so this image runs in the simulator only (npu-sim); an NPU needs a build with the compiler for the "
                  "cores (PEANO_INSTALL_DIR)",
                  npu::name(*tile));
  }
  std::vector<uint8_t> image(bytes.begin(), bytes.end());
  if (auto opened = backend_->open_context(image, kernel_); !opened) {
    backend_->close_context();
    return explained(opened.error());
  }
  image_ = std::move(image);  // the same memory
  return {};
}

Status NpuDevice::ready(const char* what) const {
  if (image_.empty()) return fail(Errc::usage, "{}: no image is loaded", what);
  if (lost()) return fail(Errc::device, "{}: the context was lost and not reopened ({})", what, lost_);
  return {};
}

Result<NpuBufferRef> NpuDevice::allocate(size_t bytes, BufferUse use, unsigned argument) {
  ONEBIT_TRY(ready("allocate"));
  if (bytes == 0 || bytes > kMaxBufferBytes) return fail(Errc::out_of_range, "buffer of {} bytes, expected 1 to {}", bytes, kMaxBufferBytes);
  if (argument >= kMaxBufferArguments) return fail(Errc::out_of_range, "buffer for bo{}, expected bo0 to bo{}", argument, kMaxBufferArguments - 1);
  auto memory = backend_->allocate(bytes, use, argument);
  if (!memory) return explained(memory.error());
  auto buffer = std::make_shared<NpuBuffer>();
  buffer->memory_ = std::move(*memory);
  buffer->owner_ = this;
  buffer->use_ = use;
  std::erase_if(buffers_, [](const auto& b) { return b.expired(); });
  buffers_.push_back(buffer);
  return buffer;
}

Status NpuDevice::check(const NpuBufferRef& buffer, size_t offset, size_t bytes, const char* what) const {
  ONEBIT_TRY(ready(what));
  if (!buffer) return fail(Errc::usage, "{}: no buffer", what);
  if (buffer->owner_ != this) return fail(Errc::usage, "{}: the buffer belongs to another device", what);
  if (offset > buffer->size() || bytes > buffer->size() - offset)
    return fail(Errc::out_of_range, "{}: {} bytes from {}, expected inside the buffer's {}", what, bytes, offset, buffer->size());
  return {};
}

Status NpuDevice::upload(const NpuBufferRef& buffer) { return upload(buffer, 0, buffer ? buffer->size() : 0); }
Status NpuDevice::download(const NpuBufferRef& buffer) { return download(buffer, 0, buffer ? buffer->size() : 0); }

Status NpuDevice::upload(const NpuBufferRef& buffer, size_t offset, size_t bytes) {
  ONEBIT_TRY(check(buffer, offset, bytes, "upload"));
  if (buffer->in_flight_ > 0) return fail(Errc::usage, "upload: a run in flight uses the buffer, expected wait() first");
  if (auto done = buffer->memory_->sync(SyncDirection::to_device, offset, bytes); !done) return explained(done.error());
  buffer->uploaded_ = true;
  ++stats_.uploads;
  stats_.uploaded_bytes += bytes;
  return {};
}

Status NpuDevice::download(const NpuBufferRef& buffer, size_t offset, size_t bytes) {
  ONEBIT_TRY(check(buffer, offset, bytes, "download"));
  if (buffer->in_flight_ > 0) return fail(Errc::usage, "download: a run in flight uses the buffer, expected wait() first");
  if (auto done = buffer->memory_->sync(SyncDirection::from_device, offset, bytes); !done) return explained(done.error());
  ++stats_.downloads;
  stats_.downloaded_bytes += bytes;
  return {};
}

Result<NpuBufferRef> NpuDevice::instructions(Bytes stream) {
  ONEBIT_ASSIGN(NpuBufferRef buffer, allocate(stream.size(), BufferUse::instructions));
  std::memcpy(buffer->bytes().data(), stream.data(), stream.size());
  ONEBIT_TRY(upload(buffer));
  return buffer;
}

Status NpuDevice::check(const NpuCommand& command) const {
  const size_t bytes = command.stream_bytes;
  ONEBIT_TRY(check(command.instructions, 0, bytes, "submit: instructions"));
  const NpuBuffer& stream = *command.instructions;
  if (stream.use() != BufferUse::instructions) return fail(Errc::usage, "submit: the stream lies in a data buffer, expected an instruction buffer");
  if (!stream.uploaded_) return fail(Errc::usage, "submit: the instruction buffer was never uploaded");
  const size_t length = bytes ? bytes : stream.size();
  if (length % 4 != 0 || length > UINT32_MAX)
    return fail(Errc::out_of_range, "submit: a stream of {} bytes, expected whole words below 4 GiB", length);
  if (command.arguments.size() > kMaxBufferArguments)
    return fail(Errc::out_of_range, "submit: {} buffers, expected at most {}", command.arguments.size(), kMaxBufferArguments);
  for (const NpuBufferRef& argument : command.arguments) {
    ONEBIT_TRY(check(argument, 0, 0, "submit: argument"));
    if (argument->use() != BufferUse::data) return fail(Errc::usage, "submit: an instruction buffer as argument, expected a data buffer");
  }
  return {};
}

Result<NpuRun> NpuDevice::submit(NpuCommand command) {
  std::vector<NpuCommand> one;
  one.push_back(std::move(command));
  return submit(std::move(one));
}

Result<NpuRun> NpuDevice::submit(std::vector<NpuCommand> commands) {
  ONEBIT_TRY(ready("submit"));
  if (commands.empty() || commands.size() > kMaxCommandsPerRun)
    return fail(Errc::out_of_range, "submit: {} commands, expected 1 to {}", commands.size(), kMaxCommandsPerRun);
  if (pending_.size() >= kNpuQueueDepth)
    return fail(Errc::out_of_range, "submit: {} runs are in flight, the most there may be; expected wait() first", pending_.size());
  for (const NpuCommand& c : commands) ONEBIT_TRY(check(c));

  std::vector<std::vector<BackendBuffer*>> arguments(commands.size());
  std::vector<BackendCommand> list;
  size_t index = 0;
  for (const NpuCommand& c : commands) {
    std::vector<BackendBuffer*>& a = arguments[index++];
    for (const NpuBufferRef& b : c.arguments) a.push_back(b->memory_.get());
    const size_t bytes = c.stream_bytes ? c.stream_bytes : c.instructions->size();
    list.push_back({c.instructions->memory_.get(), static_cast<uint32_t>(bytes), a});
  }
  auto run = backend_->start(list);
  if (!run) return lose("submit", run.error());
  for (const NpuCommand& c : commands) {
    ++c.instructions->in_flight_;
    for (const NpuBufferRef& b : c.arguments) ++b->in_flight_;
  }
  pending_.push_back({next_id_, std::move(*run), std::move(commands)});
  return NpuRun{next_id_++};
}

void NpuDevice::forget(Pending& pending) {
  for (const NpuCommand& c : pending.commands) {
    --c.instructions->in_flight_;
    for (const NpuBufferRef& b : c.arguments) --b->in_flight_;
  }
}

// The context is of no use any more: every run in flight is lost with it. Their memory is kept until the context is
// closed, because the array may still write to it.
std::unexpected<Error> NpuDevice::lose(std::string what, const NpuFailure& failure) {
  Error error = explain(failure, host_facts());
  error.message = what + ": " + error.message;
  lost_ = error.message;
  ++stats_.failures;
  for (Pending& p : pending_) {
    forget(p);
    abandoned_.push_back(std::move(p));
  }
  pending_.clear();
  return std::unexpected(std::move(error));
}

Status NpuDevice::wait(NpuRun run, std::chrono::milliseconds timeout) {
  if (timeout.count() <= 0) return fail(Errc::out_of_range, "wait: time limit of {} ms, expected above 0", timeout.count());
  const auto same = [&](const Pending& p) { return p.id == run.id; };
  const auto found = std::find_if(pending_.begin(), pending_.end(), same);
  if (found == pending_.end()) {
    if (std::any_of(abandoned_.begin(), abandoned_.end(), same)) return fail(Errc::device, "run {}: lost with its context ({})", run.id, lost_);
    return fail(Errc::usage, "run {}: not in flight; a run is waited for once", run.id);
  }
  const auto start = std::chrono::steady_clock::now();
  const auto status = found->run->wait(timeout);
  stats_.wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!status) return lose(fmt::format("run {}", run.id), status.error());
  ++stats_.runs;
  stats_.commands += found->commands.size();
  forget(*found);
  pending_.erase(found);
  return {};
}

Status NpuDevice::reopen() {
  if (image_.empty()) return fail(Errc::usage, "reopen: no image is loaded");
  if (!lost()) return fail(Errc::usage, "reopen: the context is not lost");
  for (Pending& p : abandoned_) p.run.reset();
  backend_->close_context();
  abandoned_.clear();
  if (auto opened = backend_->open_context(image_, kernel_); !opened) {
    backend_->close_context();
    return explained(opened.error());
  }
  for (const auto& weak : buffers_)
    if (const NpuBufferRef buffer = weak.lock())
      if (auto restored = backend_->restore(*buffer->memory_); !restored) return explained(restored.error());
  lost_.clear();
  ++stats_.reopens;
  return {};
}

NpuStats NpuDevice::stats() const {
  NpuStats stats = stats_;
  stats.simulated = backend_->simulated();
  return stats;
}

}  // namespace onebit::npu
