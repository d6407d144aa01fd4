// The device level behind the interface, whatever the kind: matrices, products that take turns, and a thread that does
// the submitted ones in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "capi/boundary.h"
#include "capi/ternary_backend.h"
#include "capi/turns.h"

namespace onebit::capi {

inline constexpr size_t kQueue = 64;  // events that may be unfinished

class Event {
 public:
  void finish(Outcome outcome);
  bool done() const;
  Outcome wait() const;
  void settle() const noexcept;  // waits

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable finished_;
  std::optional<Outcome> outcome_;
};

class TernaryDevice {
 public:
  TernaryDevice(int32_t kind, std::unique_ptr<TernaryBackend> backend);
  ~TernaryDevice();  // no event is unfinished: each holds its device
  TernaryDevice(const TernaryDevice&) = delete;
  TernaryDevice& operator=(const TernaryDevice&) = delete;

  int32_t kind() const { return kind_; }
  const std::string& description() const { return description_; }
  // Never changes after it was opened.
  const TernaryBackend& backend() const { return *backend_; }

  Value<TernaryBackend::Matrix> add(uint32_t rows, uint32_t columns, const TernaryBackend::RowCodes& codes);
  void remove(const TernaryBackend::Matrix& matrix) noexcept;
  // `macs` are counted where the product completes.
  Outcome multiply(uint32_t id, const TernaryBackend::Product& product, uint64_t macs);
  // The matrix stays until the event is finished.
  Outcome submit(uint32_t id, const TernaryBackend::Product& product, uint64_t macs, std::shared_ptr<Event> event);
  bool lost();
  Outcome reopen();
  onebit_device_stats stats();

 private:
  struct Job {
    uint32_t id;
    TernaryBackend::Product product;
    uint64_t macs;
    std::shared_ptr<Event> event;
  };
  void work();

  const int32_t kind_;
  const std::unique_ptr<TernaryBackend> backend_;
  const std::string description_;
  Turns turns_;  // held by whoever uses the back end or the counters
  uint64_t products_ = 0, failures_ = 0, macs_ = 0, weight_bytes_ = 0;

  std::mutex queue_mutex_;
  std::condition_variable queue_moved_;
  std::deque<Job> queue_;
  size_t unfinished_ = 0;
  bool stop_ = false;
  std::thread worker_;  // from the first submission on
};

}  // namespace onebit::capi

struct onebit_device {
  std::shared_ptr<onebit::capi::TernaryDevice> device;
};

namespace onebit::capi {

struct SharedWeights {
  std::shared_ptr<TernaryDevice> device;
  TernaryBackend::Matrix matrix{};
  uint32_t rows = 0, columns = 0;

  SharedWeights() = default;
  SharedWeights(const SharedWeights&) = delete;
  SharedWeights& operator=(const SharedWeights&) = delete;
  ~SharedWeights() {
    if (matrix.bytes) device->remove(matrix);
  }
};

}  // namespace onebit::capi

struct onebit_weights {
  std::shared_ptr<onebit::capi::SharedWeights> shared;
};

struct onebit_event {
  std::shared_ptr<onebit::capi::SharedWeights> weights;  // and their device, until the event is freed
  std::shared_ptr<onebit::capi::Event> event;
};
