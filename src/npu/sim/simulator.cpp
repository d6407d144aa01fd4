#include "npu/sim/simulator.h"

#include <algorithm>

#include "npu/image/npu_file.h"
#include "npu/image/register_file.h"
#include "npu/sim/array.h"

namespace onebit::npu {
namespace {

Result<Cdo> configuration(Bytes image) {
  ONEBIT_ASSIGN(NpuFile file, read_npu_file(image));
  if (auto* cdo = std::get_if<Cdo>(&file)) return std::move(*cdo);
  if (auto* pdi = std::get_if<Pdi>(&file)) return std::move(pdi->cdo);
  const auto* xclbin = std::get_if<Xclbin>(&file);
  if (!xclbin) return fail(Errc::format, "the configuration is an instruction stream, expected an xclbin, a PDI or a CDO");
  const AiePartition* partition = xclbin->partition();
  if (!partition || partition->pdis.empty()) return fail(Errc::format, "the xclbin has no AIE_PARTITION with a PDI");
  ONEBIT_ASSIGN(Pdi pdi, read_pdi(partition->pdis.front().image));
  return std::move(pdi.cdo);
}

}  // namespace

Simulator::Simulator(std::unique_ptr<Array> array) : array_(std::move(array)) {}
Simulator::Simulator(Simulator&&) noexcept = default;
Simulator& Simulator::operator=(Simulator&&) noexcept = default;
Simulator::~Simulator() = default;

Result<Simulator> Simulator::open(const Device& device, Bytes image, const SimOptions& options) {
  ONEBIT_ASSIGN(const Cdo cdo, configuration(image));
  auto array = std::make_unique<Array>(device, options);
  ONEBIT_TRY(array->apply(cdo));
  return Simulator(std::move(array));
}

Result<RunReport> Simulator::run(Bytes instruction_stream, std::span<const std::span<uint8_t>> buffers) {
  ONEBIT_ASSIGN(const Transaction stream, read_transaction(instruction_stream));
  return array_->run(stream, buffers, instruction_stream.size());
}

Result<uint32_t> Simulator::read(TileId tile, uint32_t offset) const { return array_->read(tile, offset); }

std::map<uint32_t, uint64_t> buffer_sizes(const Device& device, const Transaction& stream) {
  std::map<uint32_t, uint64_t> sizes;
  std::map<std::pair<TileId, unsigned>, std::pair<uint32_t, uint64_t>> patched;  // descriptor -> argument, offset
  RegisterFile regs(device);
  for (const TxnOp& op : stream.ops) {
    const size_t before = regs.pushes().size();
    regs.apply(op);
    if (const auto* p = std::get_if<TxnDdrPatch>(&op.body)) {
      const auto at = device.locate(p->address);
      const auto bd = at ? find_bd_register(device.tile(at->tile), at->offset) : std::nullopt;
      if (bd) patched[{at->tile, bd->bd}] = {p->argument, p->offset};
    }
    for (size_t i = before; i < regs.pushes().size(); ++i) {
      const QueuePush& push = regs.pushes()[i];
      if (device.kind(push.tile.row) != TileKind::shim) continue;
      for (const uint8_t index : regs.chain(push.tile, queue_bd(push.word, TileKind::shim)).bds) {
        const auto target = patched.find({push.tile, index});
        auto bd = regs.bd(push.tile, index);
        if (target == patched.end() || !bd) continue;
        bd->base = 0;
        uint64_t& size = sizes[target->second.first];
        size = std::max(size, target->second.second + 4 * (bd_extent(TileKind::shim, *bd).last + 1));
      }
    }
  }
  return sizes;
}

}  // namespace onebit::npu
