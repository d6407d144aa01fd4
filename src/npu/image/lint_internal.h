// Shared by the rule files of the linter.
#pragma once

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "npu/device/stream_switch.h"
#include "npu/image/lint.h"
#include "npu/image/register_file.h"

namespace onebit::npu {

// The findings so far; the same finding is kept once.
class Report {
 public:
  // A broken file may break a rule with every word; past this many the rest is counted only.
  static constexpr size_t kMost = 1000;

  void add(const char* rule, std::string where, std::string message);
  std::vector<Finding> take();

 private:
  std::set<std::tuple<std::string, std::string, std::string>> seen_;
  std::vector<Finding> findings_;
  size_t dropped_ = 0;
};

std::string channel_name(TileId tile, Direction direction, unsigned channel);  // "(0,1) MM2S 2"
std::string bd_name(TileId tile, unsigned bd);                                 // "(0,1) BD 3"

// The master or slave configuration of a port as last written; disabled where it was not.
MasterConfig master_config(const RegisterFile& regs, TileId tile, Port port);
SlaveConfig slave_config(const RegisterFile& regs, TileId tile, Port port);
// Where the words that enter `tile` at `slave` leave the switches over circuits.
std::vector<PortAt> circuit_sinks(const RegisterFile& regs, TileId tile, Port slave);
// Whether the shim's mux (or demux) gives this port to the DMA.
bool shim_port_is_dma(const RegisterFile& regs, TileId shim, const ShimDmaPort& port);

// lint_switch.cpp
void lint_switches(const RegisterFile& regs, Report& report);
void check_token_route(const RegisterFile& regs, uint8_t column, Report& report);
// A task-queue entry and the descriptors it runs.
struct Task {
  const RegisterFile& regs;
  const QueuePush& push;
  TileKind kind;
  RegisterFile::Chain chain;
};
Task task_of(const RegisterFile& regs, const QueuePush& push);
// Which memory tile a window index (0 west, 1 own, 2 east) means; nothing outside the array.
std::optional<TileId> mem_window(const RegisterFile& regs, TileId tile, uint64_t window);

// lint_array.cpp: tasks that the configuration itself starts.
void lint_tasks(const RegisterFile& regs, Report& report);
void check_task(const RegisterFile& regs, const QueuePush& push, Report& report);
// lint_flow.cpp
void lint_flow(const RegisterFile& regs, const std::vector<Task>& tasks, Report& report);
// Rule "token-controller".
void check_token_controller(const RegisterFile& regs, const QueuePush& push, Report& report);
void lint_cores(const RegisterFile& regs, Report& report);
// lint_code.cpp: machine code of the cores.
void lint_code(const Cdo& cdo, const Device& device, Report& report);
// lint_stream.cpp. `configured`: `regs` already holds a configuration.
void lint_stream(const Transaction& stream, RegisterFile regs, bool configured, Report& report);
// lint.cpp: one register or memory write.
void check_write(const Device& device, uint64_t address, uint32_t mask, uint32_t value, const std::string& where, Report& report);
void check_block(const Device& device, uint64_t address, const std::vector<uint32_t>& data, const std::string& where, Report& report);

}  // namespace onebit::npu
