#include "npu/device/registers.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "npu/device/stream_switch.h"

namespace onebit::npu {
namespace {

// A run of registers: `name` with '#' for the index, at offset + stride * index.
struct Group {
  TileKind kind;
  const char* name;
  uint32_t offset;
  uint16_t count;
  uint16_t stride;
  std::span<const Field> fields;
  bool read_only = false;
};

constexpr Field kWord[] = {{"value", 31, 0}};

// Buffer descriptors, one list per word.
constexpr Field kCoreBd0[] = {{"base_address", 27, 14}, {"buffer_length", 13, 0}};
constexpr Field kCoreBd1[] = {{"enable_compression", 31, 31}, {"enable_packet", 30, 30}, {"out_of_order_bd_id", 29, 24},
                              {"packet_id", 23, 19}, {"packet_type", 18, 16}};
constexpr Field kCoreBd2[] = {{"d1_stepsize", 25, 13}, {"d0_stepsize", 12, 0}};
constexpr Field kCoreBd3[] = {{"d1_wrap", 28, 21}, {"d0_wrap", 20, 13}, {"d2_stepsize", 12, 0}};
constexpr Field kCoreBd4[] = {{"iteration_current", 24, 19}, {"iteration_wrap", 18, 13}, {"iteration_stepsize", 12, 0}};
constexpr Field kChainBd[] = {{"tlast_suppress", 31, 31}, {"next_bd", 30, 27}, {"use_next_bd", 26, 26}, {"valid_bd", 25, 25},
                              {"lock_rel_value", 24, 18}, {"lock_rel_id", 16, 13}, {"lock_acq_enable", 12, 12},
                              {"lock_acq_value", 11, 5}, {"lock_acq_id", 3, 0}};
constexpr Field kMemBd0[] = {{"enable_packet", 31, 31}, {"packet_type", 30, 28}, {"packet_id", 27, 23},
                             {"out_of_order_bd_id", 22, 17}, {"buffer_length", 16, 0}};
constexpr Field kMemBd1[] = {{"d0_pad_before", 31, 26}, {"next_bd", 25, 20}, {"use_next_bd", 19, 19}, {"base_address", 18, 0}};
constexpr Field kMemBd2[] = {{"tlast_suppress", 31, 31}, {"d0_wrap", 26, 17}, {"d0_stepsize", 16, 0}};
constexpr Field kMemBd3[] = {{"d1_pad_before", 31, 27}, {"d1_wrap", 26, 17}, {"d1_stepsize", 16, 0}};
constexpr Field kMemBd4[] = {{"enable_compression", 31, 31}, {"d2_pad_before", 30, 27}, {"d2_wrap", 26, 17}, {"d2_stepsize", 16, 0}};
constexpr Field kMemBd5[] = {{"d2_pad_after", 31, 28}, {"d1_pad_after", 27, 23}, {"d0_pad_after", 22, 17}, {"d3_stepsize", 16, 0}};
constexpr Field kMemBd6[] = {{"iteration_current", 28, 23}, {"iteration_wrap", 22, 17}, {"iteration_stepsize", 16, 0}};
constexpr Field kMemBd7[] = {{"valid_bd", 31, 31}, {"lock_rel_value", 30, 24}, {"lock_rel_id", 23, 16},
                             {"lock_acq_enable", 15, 15}, {"lock_acq_value", 14, 8}, {"lock_acq_id", 7, 0}};
constexpr Field kShimBd0[] = {{"buffer_length", 31, 0}};
constexpr Field kShimBd1[] = {{"base_address_low", 31, 2}};
constexpr Field kShimBd2[] = {{"enable_packet", 30, 30}, {"out_of_order_bd_id", 29, 24}, {"packet_id", 23, 19},
                              {"packet_type", 18, 16}, {"base_address_high", 15, 0}};
constexpr Field kShimBd3[] = {{"secure_access", 30, 30}, {"d0_wrap", 29, 20}, {"d0_stepsize", 19, 0}};
constexpr Field kShimBd4[] = {{"burst_length", 31, 30}, {"d1_wrap", 29, 20}, {"d1_stepsize", 19, 0}};
constexpr Field kShimBd5[] = {{"smid", 31, 28}, {"axcache", 27, 24}, {"axqos", 23, 20}, {"d2_stepsize", 19, 0}};
constexpr Field kShimBd6[] = {{"iteration_current", 31, 26}, {"iteration_wrap", 25, 20}, {"iteration_stepsize", 19, 0}};

// Channels.
constexpr Field kS2mmCtrl[] = {{"fot_mode", 17, 16}, {"controller_id", 15, 8}, {"decompression_enable", 4, 4},
                               {"enable_out_of_order", 3, 3}, {"reset", 1, 1}};
constexpr Field kMm2sCtrl[] = {{"controller_id", 15, 8}, {"compression_enable", 4, 4}, {"reset", 1, 1}};
constexpr Field kShimS2mmCtrl[] = {{"fot_mode", 17, 16}, {"controller_id", 15, 8}, {"enable_out_of_order", 3, 3},
                                   {"pause_stream", 2, 2}, {"pause_mem", 1, 1}};
constexpr Field kShimMm2sCtrl[] = {{"controller_id", 15, 8}, {"pause_stream", 2, 2}, {"pause_mem", 1, 1}};
constexpr Field kQueue[] = {{"enable_token_issue", 31, 31}, {"repeat_count", 23, 16}, {"start_bd_id", 3, 0}};
constexpr Field kMemQueue[] = {{"enable_token_issue", 31, 31}, {"repeat_count", 23, 16}, {"start_bd_id", 5, 0}};
constexpr Field kS2mmStatus[] = {{"cur_bd", 29, 24}, {"task_queue_size", 22, 20}, {"channel_running", 19, 19},
                                 {"task_queue_overflow", 18, 18}, {"axi_mm_slave_error", 17, 17}, {"axi_mm_decode_error", 16, 16},
                                 {"error_fot_bds_per_task", 13, 13}, {"error_fot_length_exceeded", 12, 12},
                                 {"error_bd_invalid", 11, 11}, {"error_bd_unavailable", 10, 10},
                                 {"error_dm_access_to_unavailable", 9, 9}, {"error_lock_access_to_unavailable", 8, 8},
                                 {"stalled_tct_or_count_fifo_full", 5, 5}, {"stalled_stream_starvation", 4, 4},
                                 {"stalled_lock_rel", 3, 3}, {"stalled_lock_acq", 2, 2}, {"status", 1, 0}};
constexpr Field kMm2sStatus[] = {{"cur_bd", 29, 24}, {"task_queue_size", 22, 20}, {"channel_running", 19, 19},
                                 {"task_queue_overflow", 18, 18}, {"axi_mm_slave_error", 17, 17}, {"axi_mm_decode_error", 16, 16},
                                 {"error_bd_invalid", 11, 11}, {"error_bd_unavailable", 10, 10},
                                 {"error_dm_access_to_unavailable", 9, 9}, {"error_lock_access_to_unavailable", 8, 8},
                                 {"stalled_tct", 5, 5}, {"stalled_stream_backpressure", 4, 4}, {"stalled_lock_rel", 3, 3},
                                 {"stalled_lock_acq", 2, 2}, {"status", 1, 0}};
constexpr Field kWriteCount[] = {{"current_write_count", 13, 0}};
constexpr Field kFotFifo[] = {{"valid", 31, 31}, {"last_in_task", 30, 30}, {"bd_id", 29, 24}, {"write_count", 17, 0}};
constexpr Field kMux[] = {{"south7", 15, 14}, {"south6", 13, 12}, {"south3", 11, 10}, {"south2", 9, 8}};
constexpr Field kDemux[] = {{"south5", 11, 10}, {"south4", 9, 8}, {"south3", 7, 6}, {"south2", 5, 4}};
constexpr Field kLock[] = {{"lock_value", 5, 0}};

// Core module.
constexpr Field kCoreAddress[] = {{"register_value", 19, 0}};
constexpr Field kCoreControlFields[] = {{"reset", 1, 1}, {"enable", 0, 0}};
constexpr Field kCoreStatus[] = {{"core_processor_bus_stall", 21, 21}, {"core_done", 20, 20}, {"error_halt", 19, 19},
                                 {"ecc_scrubbing_stall", 18, 18}, {"ecc_error_stall", 17, 17}, {"debug_halt", 16, 16},
                                 {"cascade_stall_mcd", 15, 15}, {"cascade_stall_scd", 14, 14}, {"stream_stall_ms0", 12, 12},
                                 {"stream_stall_ss0", 10, 10}, {"lock_stall_e", 9, 9}, {"lock_stall_n", 8, 8},
                                 {"lock_stall_w", 7, 7}, {"lock_stall_s", 6, 6}, {"memory_stall_e", 5, 5},
                                 {"memory_stall_n", 4, 4}, {"memory_stall_w", 3, 3}, {"memory_stall_s", 2, 2},
                                 {"reset", 1, 1}, {"enable", 0, 0}};
constexpr Field kEnableEvents[] = {{"disable_event_occurred", 15, 15}, {"disable_event", 14, 8}, {"enable_event_occurred", 7, 7},
                                   {"enable_event", 6, 0}};
constexpr Field kResetEvent[] = {{"reset_event", 6, 0}};
constexpr Field kDebug0[] = {{"single_step_count", 5, 2}, {"debug_halt_bit", 0, 0}};
constexpr Field kDebug1[] = {{"debug_halt_core_event1", 30, 24}, {"debug_halt_core_event0", 22, 16},
                             {"debug_singlestep_core_event", 14, 8}, {"debug_resume_core_event", 6, 0}};
constexpr Field kDebug2[] = {{"stream_stall_halt", 3, 3}, {"lock_stall_halt", 2, 2}, {"memory_stall_halt", 1, 1}, {"pc_event_halt", 0, 0}};
constexpr Field kDebugStatus[] = {{"debug_event1_halted", 6, 6}, {"debug_event0_halted", 5, 5}, {"stream_stall_halted", 4, 4},
                                  {"lock_stall_halted", 3, 3}, {"memory_stall_halted", 2, 2}, {"pc_event_halted", 1, 1},
                                  {"debug_halted", 0, 0}};
constexpr Field kBus[] = {{"slverr_on_access", 2, 2}, {"enable", 0, 0}};
constexpr Field kAccumulator[] = {{"output", 1, 1}, {"input", 0, 0}};
constexpr Field kZeroise[] = {{"memory_zeroisation", 0, 0}};
constexpr Field kMemZeroise[] = {{"memory_interleaving", 1, 1}, {"memory_zeroisation", 0, 0}};
constexpr Field kPacketHandler[] = {{"tlast_error", 3, 3}, {"slverr_on_access", 2, 2}, {"second_header_parity_error", 1, 1},
                                    {"first_header_parity_error", 0, 0}};
constexpr Field kCoreClock[] = {{"dma_adaptive_clock_gate", 5, 5}, {"stream_switch_adaptive_clock_gate", 4, 4},
                                {"core_module_clock_enable", 2, 2}, {"memory_module_clock_enable", 1, 1},
                                {"stream_switch_clock_enable", 0, 0}};
constexpr Field kCoreResetControl[] = {{"core_module_reset", 2, 2}, {"memory_module_reset", 1, 1}, {"stream_switch_reset", 0, 0}};
constexpr Field kShimClock0[] = {{"dma_adaptive_clock_gate", 5, 5}, {"stream_switch_adaptive_clock_gate", 4, 4},
                                 {"cte_clock_enable", 3, 3}, {"pl_interface_clock_enable", 1, 1}, {"stream_switch_clock_enable", 0, 0}};
constexpr Field kShimClock1[] = {{"noc_module_clock_enable", 0, 0}};
constexpr Field kShimReset0[] = {{"cte_module_reset", 3, 3}, {"pl_interface_reset", 1, 1}, {"stream_switch_reset", 0, 0}};
constexpr Field kShimReset1[] = {{"noc_module_reset", 0, 0}};
constexpr Field kColumnClock[] = {{"clock_buffer_enable", 0, 0}};
constexpr Field kMemClock[] = {{"dma_adaptive_clock_gate", 5, 5}, {"stream_switch_adaptive_clock_gate", 4, 4},
                               {"memory_module_clock_enable", 1, 1}, {"stream_switch_clock_enable", 0, 0}};
constexpr Field kMemReset[] = {{"memory_reset", 1, 1}, {"stream_switch_reset", 0, 0}};
constexpr Field kTileControl[] = {{"isolate_from_east", 3, 3}, {"isolate_from_north", 2, 2}, {"isolate_from_west", 1, 1},
                                  {"isolate_from_south", 0, 0}};

// Stream switch.
constexpr Field kMaster[] = {{"master_enable", 31, 31}, {"packet_enable", 30, 30}, {"drop_header", 7, 7}, {"configuration", 6, 0}};
constexpr Field kSlave[] = {{"slave_enable", 31, 31}, {"packet_enable", 30, 30}};
constexpr Field kSlot[] = {{"id", 28, 24}, {"mask", 20, 16}, {"enable", 8, 8}, {"msel", 5, 4}, {"arbit", 2, 0}};
constexpr Field kMergeSlaves[] = {{"packet_count_1", 29, 24}, {"slave_id_1", 20, 16}, {"packet_count_0", 13, 8}, {"slave_id_0", 4, 0}};
constexpr Field kMergeCtrl[] = {{"enable", 0, 0}};

constexpr Group kCore[] = {
    {TileKind::core, "MEMORY.DMA_BD#_0", 0x1D000, 16, 0x20, kCoreBd0},
    {TileKind::core, "MEMORY.DMA_BD#_1", 0x1D004, 16, 0x20, kCoreBd1},
    {TileKind::core, "MEMORY.DMA_BD#_2", 0x1D008, 16, 0x20, kCoreBd2},
    {TileKind::core, "MEMORY.DMA_BD#_3", 0x1D00C, 16, 0x20, kCoreBd3},
    {TileKind::core, "MEMORY.DMA_BD#_4", 0x1D010, 16, 0x20, kCoreBd4},
    {TileKind::core, "MEMORY.DMA_BD#_5", 0x1D014, 16, 0x20, kChainBd},
    {TileKind::core, "MEMORY.DMA_S2MM_#_CTRL", 0x1DE00, 2, 8, kS2mmCtrl},
    {TileKind::core, "MEMORY.DMA_S2MM_#_START_QUEUE", 0x1DE04, 2, 8, kQueue},
    {TileKind::core, "MEMORY.DMA_MM2S_#_CTRL", 0x1DE10, 2, 8, kMm2sCtrl},
    {TileKind::core, "MEMORY.DMA_MM2S_#_START_QUEUE", 0x1DE14, 2, 8, kQueue},
    {TileKind::core, "MEMORY.DMA_S2MM_STATUS_#", 0x1DF00, 2, 4, kS2mmStatus, true},
    {TileKind::core, "MEMORY.DMA_MM2S_STATUS_#", 0x1DF10, 2, 4, kMm2sStatus, true},
    {TileKind::core, "MEMORY.DMA_S2MM_CURRENT_WRITE_COUNT_#", 0x1DF18, 2, 4, kWriteCount, true},
    {TileKind::core, "MEMORY.DMA_S2MM_FOT_COUNT_FIFO_POP_#", 0x1DF20, 2, 4, kFotFifo, true},
    {TileKind::core, "MEMORY.LOCK#_VALUE", 0x1F000, 16, 0x10, kLock},
    {TileKind::core, "MEMORY.MEMORY_CONTROL", 0x16010, 1, 0, kZeroise},
    {TileKind::core, "MEMORY.PERFORMANCE_CONTROL#", 0x11000, 3, 4, kWord},
    {TileKind::core, "MEMORY.PERFORMANCE_COUNTER#", 0x11020, 2, 4, kWord},
    {TileKind::core, "MEMORY.TIMER_CONTROL", 0x14000, 1, 0, kWord},
    {TileKind::core, "MEMORY.EVENT_GENERATE", 0x14008, 1, 0, kWord},
    {TileKind::core, "MEMORY.EVENT_BROADCAST#", 0x14010, 16, 4, kWord},
    {TileKind::core, "MEMORY.TRACE_CONTROL#", 0x140D0, 2, 4, kWord},
    {TileKind::core, "MEMORY.TRACE_EVENT#", 0x140E0, 2, 4, kWord},
    {TileKind::core, "CORE.CORE_PC", 0x30E00, 1, 0, kCoreAddress, true},
    {TileKind::core, "CORE.CORE_SP", 0x30E20, 1, 0, kCoreAddress, true},
    {TileKind::core, "CORE.CORE_LR", 0x30E30, 1, 0, kCoreAddress, true},
    {TileKind::core, "CORE.PERFORMANCE_CONTROL#", 0x31500, 3, 4, kWord},
    {TileKind::core, "CORE.PERFORMANCE_COUNTER#", 0x31520, 4, 4, kWord},
    {TileKind::core, "CORE.CORE_CONTROL", 0x32000, 1, 0, kCoreControlFields},
    {TileKind::core, "CORE.ENABLE_EVENTS", 0x32008, 1, 0, kEnableEvents},
    {TileKind::core, "CORE.RESET_EVENT", 0x3200C, 1, 0, kResetEvent},
    {TileKind::core, "CORE.DEBUG_CONTROL0", 0x32010, 1, 0, kDebug0},
    {TileKind::core, "CORE.DEBUG_CONTROL1", 0x32014, 1, 0, kDebug1},
    {TileKind::core, "CORE.DEBUG_CONTROL2", 0x32018, 1, 0, kDebug2},
    {TileKind::core, "CORE.DEBUG_STATUS", 0x3201C, 1, 0, kDebugStatus, true},
    {TileKind::core, "CORE.CORE_PROCESSOR_BUS", 0x32038, 1, 0, kBus},
    {TileKind::core, "CORE.TIMER_CONTROL", 0x34000, 1, 0, kWord},
    {TileKind::core, "CORE.EVENT_GENERATE", 0x34008, 1, 0, kWord},
    {TileKind::core, "CORE.EVENT_BROADCAST#", 0x34010, 16, 4, kWord},
    {TileKind::core, "CORE.TRACE_CONTROL#", 0x340D0, 2, 4, kWord},
    {TileKind::core, "CORE.TRACE_EVENT#", 0x340E0, 2, 4, kWord},
    {TileKind::core, "CORE.ACCUMULATOR_CONTROL", 0x36060, 1, 0, kAccumulator},
    {TileKind::core, "CORE.MEMORY_CONTROL", 0x36070, 1, 0, kZeroise},
    {TileKind::core, "CORE.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_SLAVE0_1", 0x3F800, 2, 0x10, kMergeSlaves},
    {TileKind::core, "CORE.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_SLAVE2_3", 0x3F804, 2, 0x10, kMergeSlaves},
    {TileKind::core, "CORE.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_CTRL", 0x3F808, 2, 0x10, kMergeCtrl},
    {TileKind::core, "CORE.TILE_CONTROL_PACKET_HANDLER_STATUS", 0x3FF30, 1, 0, kPacketHandler},
    {TileKind::core, "CORE.MODULE_CLOCK_CONTROL", 0x60000, 1, 0, kCoreClock},
    {TileKind::core, "CORE.MODULE_RESET_CONTROL", 0x60010, 1, 0, kCoreResetControl},
};

constexpr Group kMem[] = {
    {TileKind::mem, "MEM_TILE.DMA_BD#_0", 0xA0000, 48, 0x20, kMemBd0},
    {TileKind::mem, "MEM_TILE.DMA_BD#_1", 0xA0004, 48, 0x20, kMemBd1},
    {TileKind::mem, "MEM_TILE.DMA_BD#_2", 0xA0008, 48, 0x20, kMemBd2},
    {TileKind::mem, "MEM_TILE.DMA_BD#_3", 0xA000C, 48, 0x20, kMemBd3},
    {TileKind::mem, "MEM_TILE.DMA_BD#_4", 0xA0010, 48, 0x20, kMemBd4},
    {TileKind::mem, "MEM_TILE.DMA_BD#_5", 0xA0014, 48, 0x20, kMemBd5},
    {TileKind::mem, "MEM_TILE.DMA_BD#_6", 0xA0018, 48, 0x20, kMemBd6},
    {TileKind::mem, "MEM_TILE.DMA_BD#_7", 0xA001C, 48, 0x20, kMemBd7},
    {TileKind::mem, "MEM_TILE.DMA_S2MM_#_CTRL", 0xA0600, 6, 8, kS2mmCtrl},
    {TileKind::mem, "MEM_TILE.DMA_S2MM_#_START_QUEUE", 0xA0604, 6, 8, kMemQueue},
    {TileKind::mem, "MEM_TILE.DMA_MM2S_#_CTRL", 0xA0630, 6, 8, kMm2sCtrl},
    {TileKind::mem, "MEM_TILE.DMA_MM2S_#_START_QUEUE", 0xA0634, 6, 8, kMemQueue},
    {TileKind::mem, "MEM_TILE.DMA_S2MM_STATUS_#", 0xA0660, 6, 4, kS2mmStatus, true},
    {TileKind::mem, "MEM_TILE.DMA_MM2S_STATUS_#", 0xA0680, 6, 4, kMm2sStatus, true},
    {TileKind::mem, "MEM_TILE.LOCK#_VALUE", 0xC0000, 64, 0x10, kLock},
    {TileKind::mem, "MEM_TILE.PERFORMANCE_CONTROL#", 0x91000, 3, 4, kWord},
    {TileKind::mem, "MEM_TILE.PERFORMANCE_COUNTER#", 0x91020, 4, 4, kWord},
    {TileKind::mem, "MEM_TILE.TIMER_CONTROL", 0x94000, 1, 0, kWord},
    {TileKind::mem, "MEM_TILE.EVENT_GENERATE", 0x94008, 1, 0, kWord},
    {TileKind::mem, "MEM_TILE.EVENT_BROADCAST#", 0x94010, 16, 4, kWord},
    {TileKind::mem, "MEM_TILE.TRACE_CONTROL#", 0x940D0, 2, 4, kWord},
    {TileKind::mem, "MEM_TILE.TRACE_EVENT#", 0x940E0, 2, 4, kWord},
    {TileKind::mem, "MEM_TILE.MEMORY_CONTROL", 0x96048, 1, 0, kMemZeroise},
    {TileKind::mem, "MEM_TILE.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_SLAVE0_1", 0xB0800, 2, 0x10, kMergeSlaves},
    {TileKind::mem, "MEM_TILE.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_SLAVE2_3", 0xB0804, 2, 0x10, kMergeSlaves},
    {TileKind::mem, "MEM_TILE.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_CTRL", 0xB0808, 2, 0x10, kMergeCtrl},
    {TileKind::mem, "MEM_TILE.MODULE_CLOCK_CONTROL", 0xFFF00, 1, 0, kMemClock},
    {TileKind::mem, "MEM_TILE.MODULE_RESET_CONTROL", 0xFFF10, 1, 0, kMemReset},
};

constexpr Group kShim[] = {
    {TileKind::shim, "NOC.DMA_BD#_0", 0x1D000, 16, 0x20, kShimBd0},
    {TileKind::shim, "NOC.DMA_BD#_1", 0x1D004, 16, 0x20, kShimBd1},
    {TileKind::shim, "NOC.DMA_BD#_2", 0x1D008, 16, 0x20, kShimBd2},
    {TileKind::shim, "NOC.DMA_BD#_3", 0x1D00C, 16, 0x20, kShimBd3},
    {TileKind::shim, "NOC.DMA_BD#_4", 0x1D010, 16, 0x20, kShimBd4},
    {TileKind::shim, "NOC.DMA_BD#_5", 0x1D014, 16, 0x20, kShimBd5},
    {TileKind::shim, "NOC.DMA_BD#_6", 0x1D018, 16, 0x20, kShimBd6},
    {TileKind::shim, "NOC.DMA_BD#_7", 0x1D01C, 16, 0x20, kChainBd},
    {TileKind::shim, "NOC.DMA_S2MM_#_CTRL", 0x1D200, 2, 8, kShimS2mmCtrl},
    {TileKind::shim, "NOC.DMA_S2MM_#_TASK_QUEUE", 0x1D204, 2, 8, kQueue},
    {TileKind::shim, "NOC.DMA_MM2S_#_CTRL", 0x1D210, 2, 8, kShimMm2sCtrl},
    {TileKind::shim, "NOC.DMA_MM2S_#_TASK_QUEUE", 0x1D214, 2, 8, kQueue},
    {TileKind::shim, "NOC.DMA_S2MM_STATUS_#", 0x1D220, 2, 4, kS2mmStatus, true},
    {TileKind::shim, "NOC.DMA_MM2S_STATUS_#", 0x1D228, 2, 4, kMm2sStatus, true},
    {TileKind::shim, "NOC.MUX_CONFIG", kMuxConfig, 1, 0, kMux},
    {TileKind::shim, "NOC.DEMUX_CONFIG", kDemuxConfig, 1, 0, kDemux},
    {TileKind::shim, "NOC.LOCK#_VALUE", 0x14000, 16, 0x10, kLock},
    {TileKind::shim, "PL.PERFORMANCE_CONTROL#", 0x31000, 2, 4, kWord},
    {TileKind::shim, "PL.PERFORMANCE_COUNTER#", 0x31020, 2, 4, kWord},
    {TileKind::shim, "PL.TIMER_CONTROL", 0x34000, 1, 0, kWord},
    {TileKind::shim, "PL.EVENT_GENERATE", 0x34008, 1, 0, kWord},
    {TileKind::shim, "PL.EVENT_BROADCAST_A#", 0x34010, 16, 4, kWord},
    {TileKind::shim, "PL.TRACE_CONTROL#", 0x340D0, 2, 4, kWord},
    {TileKind::shim, "PL.TRACE_EVENT#", 0x340E0, 2, 4, kWord},
    {TileKind::shim, "PL.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_SLAVE0_1", 0x3F800, 2, 0x10, kMergeSlaves},
    {TileKind::shim, "PL.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_SLAVE2_3", 0x3F804, 2, 0x10, kMergeSlaves},
    {TileKind::shim, "PL.STREAM_SWITCH_DETERMINISTIC_MERGE_ARB#_CTRL", 0x3F808, 2, 0x10, kMergeCtrl},
    {TileKind::shim, "PL.CONTROL_PACKET_HANDLER_STATUS", 0x3FF30, 1, 0, kPacketHandler},
    {TileKind::shim, "PL.MODULE_CLOCK_CONTROL_0", 0xFFF00, 1, 0, kShimClock0},
    {TileKind::shim, "PL.MODULE_CLOCK_CONTROL_1", 0xFFF04, 1, 0, kShimClock1},
    {TileKind::shim, "PL.MODULE_RESET_CONTROL_0", 0xFFF10, 1, 0, kShimReset0},
    {TileKind::shim, "PL.MODULE_RESET_CONTROL_1", 0xFFF14, 1, 0, kShimReset1},
    {TileKind::shim, "PL.COLUMN_CLOCK_CONTROL", 0xFFF20, 1, 0, kColumnClock},
};

// The registers that the two generations do not share.
constexpr Group kAie2pOnly[] = {
    {TileKind::core, "CORE.CORE_STATUS", 0x32004, 1, 0, kCoreStatus, true},
    {TileKind::mem, "MEM_TILE.DMA_MM2S_#_CONSTANT_PAD_VALUE", 0xA06E0, 6, 4, kWord},
};
constexpr Group kAie2Only[] = {
    {TileKind::core, "CORE.CORE_STATUS", 0x32004, 1, 0, kWord, true},
};

const char* switch_module(TileKind kind) {
  return kind == TileKind::core ? "CORE" : kind == TileKind::mem ? "MEM_TILE" : "PL";
}

Register switch_register(TileKind kind, const SwitchRegister& r) {
  const std::string prefix = fmt::format("{}.STREAM_SWITCH_", switch_module(kind));
  if (r.kind == SwitchRegister::Kind::master) return {prefix + "MASTER_CONFIG_" + name(r.port), kMaster};
  std::string port = name(r.port);
  // AMD writes a slave's channel after an underscore, and names the two trace ports of a core tile.
  const bool bare = r.port.bundle == Bundle::control || r.port.bundle == Bundle::core;
  if (!bare) port = fmt::format("{}_{}", port.substr(0, port.size() - 1), r.port.channel);
  if (r.port.bundle == Bundle::trace)
    port = kind != TileKind::core ? "TRACE" : r.port.channel == 0 ? "AIE_TRACE" : "MEM_TRACE";
  if (r.kind == SwitchRegister::Kind::slave) return {prefix + "SLAVE_CONFIG_" + port, kSlave};
  return {fmt::format("{}SLAVE_{}_SLOT{}", prefix, port, r.slot), kSlot};
}

std::optional<Register> search(std::span<const Group> groups, TileKind kind, uint32_t offset) {
  for (const Group& g : groups) {
    if (g.kind != kind || offset < g.offset) continue;
    const uint32_t distance = offset - g.offset;
    const uint32_t index = g.stride ? distance / g.stride : distance;
    if (index >= g.count || (g.stride && distance % g.stride)) continue;
    const std::string_view pattern = g.name;
    const size_t mark = pattern.find('#');
    std::string text(pattern);
    if (mark != std::string_view::npos) text = fmt::format("{}{}{}", pattern.substr(0, mark), index, pattern.substr(mark + 1));
    return Register{std::move(text), g.fields, g.read_only};
  }
  return std::nullopt;
}

}  // namespace

uint32_t Register::mask() const {
  uint32_t m = 0;
  for (const Field& f : fields) m |= f.mask();
  return m;
}

Region region_of(const TileModel& tile, uint32_t offset) {
  if (offset < tile.data_bytes) return Region::data_memory;
  if (offset >= tile.program_base && offset < tile.program_base + tile.program_bytes) return Region::program_memory;
  return Region::registers;
}

std::optional<Register> find_register(const Device& device, TileKind kind, uint32_t offset) {
  const TileModel& tile = device.tile(kind);
  if (const auto s = find_switch_register(tile, offset)) return switch_register(kind, *s);
  if (offset == tile.tile_control) return Register{fmt::format("{}.TILE_CONTROL", switch_module(kind)), kTileControl};
  const std::span<const Group> shared = kind == TileKind::core  ? std::span<const Group>(kCore)
                                        : kind == TileKind::mem ? std::span<const Group>(kMem)
                                                                : std::span<const Group>(kShim);
  if (auto r = search(shared, kind, offset)) return r;
  return search(device.generation == Generation::aie2p ? std::span<const Group>(kAie2pOnly) : std::span<const Group>(kAie2Only),
                kind, offset);
}

std::string describe_fields(const Register& reg, uint32_t value) {
  std::string text;
  for (const Field& f : reg.fields) {
    const uint32_t v = f.get(value);
    if (v == 0) continue;
    if (!text.empty()) text += ", ";
    text += v < 10 ? fmt::format("{}={}", f.name, v) : fmt::format("{}={:#x}", f.name, v);
  }
  if (const uint32_t rest = value & ~reg.mask()) text += fmt::format("{}reserved={:#x}", text.empty() ? "" : ", ", rest);
  return text.empty() ? "0" : text;
}

}  // namespace onebit::npu
