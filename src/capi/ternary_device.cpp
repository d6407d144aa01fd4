#include "capi/ternary_device.h"

namespace onebit::capi {

void Event::finish(Outcome outcome) {
  {
    const std::lock_guard guard(mutex_);
    outcome_ = std::move(outcome);
  }
  finished_.notify_all();
}

bool Event::done() const {
  const std::lock_guard guard(mutex_);
  return outcome_.has_value();
}

Outcome Event::wait() const {
  std::unique_lock guard(mutex_);
  finished_.wait(guard, [&] { return outcome_.has_value(); });
  return *outcome_;
}

void Event::settle() const noexcept {
  std::unique_lock guard(mutex_);
  finished_.wait(guard, [&] { return outcome_.has_value(); });
}

TernaryDevice::TernaryDevice(int32_t kind, std::unique_ptr<TernaryBackend> backend)
    : kind_(kind), backend_(std::move(backend)), description_(backend_->description()) {}

TernaryDevice::~TernaryDevice() {
  {
    const std::lock_guard guard(queue_mutex_);
    stop_ = true;
  }
  queue_moved_.notify_all();
  if (worker_.joinable()) worker_.join();
}

Value<TernaryBackend::Matrix> TernaryDevice::add(uint32_t rows, uint32_t columns, const TernaryBackend::RowCodes& codes) {
  const std::lock_guard turn(turns_);
  ONEBIT_ASSIGN(const TernaryBackend::Matrix matrix, backend_->add(rows, columns, codes));
  weight_bytes_ += matrix.bytes;
  return matrix;
}

void TernaryDevice::remove(const TernaryBackend::Matrix& matrix) noexcept {
  const std::lock_guard turn(turns_);
  backend_->remove(matrix.id);
  weight_bytes_ -= matrix.bytes;
}

Outcome TernaryDevice::multiply(uint32_t id, const TernaryBackend::Product& product, uint64_t macs) {
  const std::lock_guard turn(turns_);
  if (auto status = backend_->multiply(id, product); !status) {
    ++failures_;
    return std::unexpected(Failure(std::move(status).error()));
  }
  ++products_;
  macs_ += macs;
  return {};
}

Outcome TernaryDevice::submit(uint32_t id, const TernaryBackend::Product& product, uint64_t macs, std::shared_ptr<Event> event) {
  const std::lock_guard guard(queue_mutex_);
  if (unfinished_ == kQueue) return refuse(ONEBIT_ERROR_BUSY, "{} products are unfinished, the most there may be; expected a wait first", unfinished_);
  if (!worker_.joinable()) worker_ = std::thread([this] { work(); });
  queue_.push_back({id, product, macs, std::move(event)});
  ++unfinished_;
  queue_moved_.notify_all();
  return {};
}

void TernaryDevice::work() {
  for (std::unique_lock guard(queue_mutex_);;) {
    queue_moved_.wait(guard, [&] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Job job = std::move(queue_.front());
    queue_.pop_front();
    guard.unlock();
    Outcome outcome;
    try {
      outcome = multiply(job.id, job.product, job.macs);
    } catch (const std::bad_alloc&) {
      outcome = std::unexpected(Failure(ONEBIT_ERROR_OUT_OF_MEMORY, ""));
    } catch (...) {
      outcome = std::unexpected(Failure(ONEBIT_ERROR_INTERNAL, ""));
    }
    guard.lock();
    --unfinished_;
    guard.unlock();
    // Who waits for the event may then free it, its weights and the device, and so join this thread.
    job.event->finish(std::move(outcome));
    guard.lock();
  }
}

bool TernaryDevice::lost() {
  const std::lock_guard turn(turns_);
  return backend_->lost();
}

Outcome TernaryDevice::reopen() {
  const std::lock_guard turn(turns_);
  if (!backend_->lost()) return refuse(ONEBIT_ERROR_STATE, "{}: the device is not lost, there is nothing to reopen", description_);
  ONEBIT_TRY(backend_->reopen());
  return {};
}

onebit_device_stats TernaryDevice::stats() {
  const std::lock_guard turn(turns_);
  const BackendStats s = backend_->stats();
  return {.struct_size = 0,
          .products = products_,
          .failures = failures_,
          .macs = macs_,
          .dispatches = s.dispatches,
          .reopens = s.reopens,
          .uploaded_bytes = s.uploaded_bytes,
          .downloaded_bytes = s.downloaded_bytes,
          .simulated_ddr_bytes = s.simulated_ddr_bytes,
          .weight_bytes = weight_bytes_};
}

}  // namespace onebit::capi
