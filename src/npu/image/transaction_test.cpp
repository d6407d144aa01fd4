#include "npu/image/transaction.h"

#include <gtest/gtest.h>

#include "npu/image/example_program.h"

namespace onebit::npu {
namespace {

std::vector<uint8_t> stream_bytes(std::vector<uint32_t> words, uint32_t ops, bool compact = false) {
  ByteWriter out;
  out.u32(compact ? 0x06040001 : 0x06040100);
  out.u32(0x00000108);
  out.u32(ops);
  out.u32(static_cast<uint32_t>(16 + 4 * words.size()));
  for (const uint32_t w : words) out.u32(w);
  return out.take();
}

// The first operations of a stream that ran on hardware.
TEST(Transaction, GoldenWords) {
  const std::vector<uint32_t> words{
      1, 0, 0x1D000, 48, 0x30000, 0, 0, 0x10000000, 0xC80005FF, 0x020000FF, 0, 0x02000000,
      0x81, 48, 0, 0, 0, 0, 0x1D004, 0, 0, 0, 0, 0,
      0, 0, 0x1D214, 0, 0, 24,
      3, 0, 0x0201D200, 0, 0x0F00, 0x1F00, 28,
      0x80, 16, 0x00070000, 0x00010100};
  const auto bytes = stream_bytes(words, 5);
  const auto t = read_transaction(bytes);
  ASSERT_TRUE(t) << t.error().message;
  ASSERT_EQ(t->ops.size(), 5u);
  EXPECT_EQ(t->generation, 4);
  EXPECT_EQ(t->columns, 8);
  EXPECT_EQ(std::get<TxnBlockWrite>(t->ops[0].body).data.size(), 8u);
  EXPECT_EQ(std::get<TxnDdrPatch>(t->ops[1].body), (TxnDdrPatch{0x1D004, 0, 0}));
  EXPECT_EQ(std::get<TxnWrite>(t->ops[2].body), (TxnWrite{0x1D214, 0}));
  EXPECT_EQ(std::get<TxnMaskWrite>(t->ops[3].body), (TxnMaskWrite{0x0201D200, 0xF00, 0x1F00}));
  EXPECT_EQ(std::get<TxnSync>(t->ops[4].body), (TxnSync{.column = 7}));
  for (const TxnOp& op : t->ops) EXPECT_TRUE(op.unusual.empty());
  EXPECT_EQ(write_transaction(*t).value(), bytes);
}

TEST(Transaction, BothEncodingsHoldTheSameOps) {
  const Transaction normal = testing::example_stream(false), compact = testing::example_stream(true);
  const auto a = write_transaction(normal).value(), b = write_transaction(compact).value();
  EXPECT_LT(b.size(), a.size());
  EXPECT_EQ(read_transaction(a).value(), normal);
  EXPECT_EQ(read_transaction(b).value(), compact);
  EXPECT_EQ(read_transaction(a).value().ops, read_transaction(b).value().ops);
}

TEST(Transaction, CompactSizes) {
  Transaction t = make_transaction(device(Generation::aie2p), true);
  const auto size = [&t](TxnOp op) {
    t.ops = {std::move(op)};
    return write_transaction(t).value().size() - kTxnHeaderBytes;
  };
  EXPECT_EQ(size({TxnWrite{}}), 12u);
  EXPECT_EQ(size({TxnBlockWrite{0, {1, 2, 3}}}), 24u);
  EXPECT_EQ(size({TxnMaskWrite{}}), 16u);
  EXPECT_EQ(size({TxnMaskPoll{}}), 16u);
  EXPECT_EQ(size({TxnSync{}}), 16u);
  EXPECT_EQ(size({TxnDdrPatch{}}), 24u);
}

// Padded structs, stray bits and operations without a typed form come back as they were.
TEST(Transaction, OddWordsRoundTrip) {
  const std::vector<std::vector<uint32_t>> cases{
      {3, 0, 0x1D200, 0, 1, 1, 32, 0},                         // the 32-byte struct
      {3, 0, 0x1D200, 0, 1, 1, 32, 0xDEAD},                    // with something in its padding
      {0x00030200, 0xABCD, 0x1D200, 0, 1, 24},                 // column, row and padding bytes set
      {4, 0, 0x1D200, 0, 1, 1, 28},
      {7, 0, 0x1D200, 0, 1, 1, 32, 0},
      {5},
      {0xFFFF0206},
      {0x00050008, 100, 1, 2},
      {9, 1},
      {10, 1, 2, 3},
      {11, 1},
      {12, 1, 2},
      {13},
      {0x80, 16, 0x01FF07FF, 0xFFFFFFFF},
      {0x80, 20, 0, 0, 3},
      {0x81, 48, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
      {0x82, 12, 77},
      {0x84, 8},
  };
  for (const auto& words : cases) {
    const auto bytes = stream_bytes(words, 1);
    const auto t = read_transaction(bytes);
    ASSERT_TRUE(t) << t.error().message;
    EXPECT_EQ(write_transaction(*t).value(), bytes) << words[0];
  }
}

TEST(Transaction, ForeignHeaderBytesSurvive) {
  auto bytes = stream_bytes({5}, 1);
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(0xA0 + i);
  const auto t = read_transaction(bytes);
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(write_transaction(*t).value(), bytes);
}

TEST(Transaction, ErrorsNameOffsetFieldAndExpectation) {
  const auto message = [](const std::vector<uint8_t>& bytes) {
    const auto r = read_transaction(bytes);
    return r ? std::string("accepted") : r.error().message;
  };
  EXPECT_EQ(message({}), "instruction stream: size is 0 bytes, expected a multiple of 4 of at least 16");
  EXPECT_EQ(message(stream_bytes({5}, 2)), "instruction stream: number of ops at offset 0x8 is 2, expected 1");
  EXPECT_EQ(message(stream_bytes({14, 0}, 1)), "instruction stream: op at offset 0x10 is 14, expected 0, 1, 3 to 13 or 128 to 132");
  EXPECT_EQ(message(stream_bytes({1, 0, 0, 15}, 1)),
            "instruction stream: size of op 1 at offset 0x1c is 15, expected a multiple of 4 from 16 to 16");
  EXPECT_EQ(message(stream_bytes({0x80, 0, 0, 0}, 1)),
            "instruction stream: size of op 128 at offset 0x14 is 0, expected a multiple of 4 from 16 to 16");
  EXPECT_EQ(message(stream_bytes({0, 0}, 1)), "instruction stream: op 0 at offset 0x10 needs 24 bytes, expected at most 8");
  auto longer = stream_bytes({5}, 1);
  longer.resize(longer.size() + 4);
  EXPECT_EQ(message(longer), "instruction stream: total size at offset 0xc is 20, expected 24");

  Transaction compact = make_transaction(device(Generation::aie2p), true);
  compact.ops = {{TxnWrite{uint64_t{1} << 32, 0}}};
  EXPECT_EQ(write_transaction(compact).error().message,
            "compact instruction stream: address of WRITE is 0x100000000, expected below 2^32");
}

}  // namespace
}  // namespace onebit::npu
