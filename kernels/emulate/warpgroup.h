// Host emulation of a warpgroup's products from shared memory (PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions"):
// descriptors are decoded bit by bit and the bytes read where they point. Included by the wrappers only.
//
// A product is computed where it is issued and its sums are NaN until they are waited for. What would be a race on a GPU ends the
// launch: cp.async into operands of a product in flight, operands that change before the wait, operands that cp.async brought
// and whose writer has not fenced the asynchronous proxy, sums that other instructions have touched without a fence since.
// Each warp computes its own quarter of the rows; that all four come to the same products is not checked.
#pragma once

#include "emulate/simt.h"
#include "emulate/tensor_core.h"

namespace emulate {

// An address as descriptors hold it: counted from the start of the block's dynamic shared memory.
inline unsigned sharedAddress(const void* p) {
  auto offset = static_cast<const unsigned char*>(p) - machine.dynamicSharedStart;
  if (offset < 0 || size_t(offset) >= machine.dynamicSharedBytes) fail("an address outside of dynamic shared memory");
  return unsigned(offset);
}

// A matrix in shared memory, of 16 steps of the depth, as a descriptor and the instruction's transpose bit tell it.
struct SharedMatrix {
  unsigned start, leading, stride, rowBytes;  // bytes; rowBytes: how wide the swizzled pattern is
  bool edgeContiguous;

  SharedMatrix(uint64_t descriptor, bool edgeContiguous)
      : start(unsigned(descriptor & 0x3fff) << 4), leading(unsigned(descriptor >> 16 & 0x3fff) << 4),
        stride(unsigned(descriptor >> 32 & 0x3fff) << 4), edgeContiguous(edgeContiguous) {
    const unsigned widths[] = {0, 128, 64, 32};
    rowBytes = widths[descriptor >> 62];
    if (rowBytes == 0) fail("wgmma: matrices that are not swizzled are not emulated");
    if ((descriptor >> 49 & 7) != 0) fail("wgmma: matrices off the swizzle's pattern are not emulated");
  }

  // The 16 bytes with eight elements from (edge, depth) on, neighbours along the contiguous side; depth below 16. The swizzle
  // exchanges chunks of 16 bytes by the bits of the address from 128 on, as many as a row of the pattern has chunks.
  const unsigned char* chunk(int edge, int depth) const {
    unsigned of = rowBytes / 2;  // elements of a row
    unsigned offset = edgeContiguous ? edge % of * 2 + edge / of * leading + depth % 8 * rowBytes + depth / 8 * stride
                                     : edge % 8 * rowBytes + edge / 8 * stride + depth * 2;
    unsigned address = start + offset;
    address ^= (address >> 7 & (rowBytes / 16 - 1)) << 4;
    if (address + 16 > machine.dynamicSharedBytes) fail("wgmma: a matrix that goes past dynamic shared memory");
    return machine.dynamicSharedStart + address;
  }

  // Calls body(chunk, edge, depth) for all chunks of the rows [first, first + count).
  template <class Body>
  void eachChunk(int first, int count, Body body) const {
    for (int edge = first; edge < first + count; edge += edgeContiguous ? 8 : 1)
      for (int depth = 0; depth < 16; depth += edgeContiguous ? 1 : 8) body(chunk(edge, depth), edge, depth);
  }

  // Element (edge, depth) to values[(edge - first) * edgeStep + depth * depthStep].
  void read(int first, int count, double* values, int edgeStep, int depthStep) const {
    eachChunk(first, count, [&](const unsigned char* from, int edge, int depth) {
      unsigned short bits[8];
      std::memcpy(bits, from, 16);
      for (int i = 0; i < 8; i++)
        values[(edge - first + (edgeContiguous ? i : 0)) * edgeStep + (depth + (edgeContiguous ? 0 : i)) * depthStep] =
            __uint_as_float(unsigned(bits[i]) << 16);
    });
  }
};

inline SharedChunk& chunkAt(const unsigned char* p) { return machine.sharedChunks[size_t(p - machine.dynamicSharedStart) / 16]; }

// The operands of a warp's product: its own 16 rows of a, all columns of b.
struct Operands {
  SharedMatrix a, b;
  int firstRow, columns;

  template <class Body>
  void eachChunk(Body body) const {
    a.eachChunk(firstRow, 16, [&](const unsigned char* p, int, int) { body(p); });
    b.eachChunk(0, columns, [&](const unsigned char* p, int, int) { body(p); });
  }

  uint64_t fingerprint() const {
    uint64_t sum = 0;
    eachChunk([&](const unsigned char* p) {
      uint64_t halves[2];
      std::memcpy(halves, p, 16);
      sum = (sum * 6364136223846793005ull + halves[0]) * 6364136223846793005ull + halves[1];
    });
    return sum;
  }

  void begin() const {
    eachChunk([](const unsigned char* p) {
      SharedChunk& chunk = chunkAt(p);
      if (chunk.fence != 0 && machine.threads[chunk.writer]->proxyFences < chunk.fence)
        fail("wgmma: reads what thread " + std::to_string(chunk.writer) + " has copied and not fenced for the asynchronous proxy");
      chunk.readers++;
    });
  }
  void end() const {
    eachChunk([](const unsigned char* p) { chunkAt(p).readers--; });
  }
};

inline void fenceAsyncProxy() { self->proxyFences++; }
inline void fenceWarpgroup() { self->sumsFenced = true; }
inline void commitProducts() { self->productGroups++; }

struct Wgmma { float* sums; uint64_t a, b; int add; uint64_t fingerprint; };

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
__attribute__((target_clones("avx2", "default")))
#endif
static void multiplyRow(const double* a, const double* b, int columns, double* sums) {
  for (int k = 0; k < 16; k++)
    for (int n = 0; n < columns; n++) sums[n] += a[k] * b[k * columns + n];
}

// A warp's rows of wgmma.m64nNk16: lane 4 g + t holds d[4 j + 2 h + i] at row 8 h + g, column 8 j + 2 t + i.
template <int COLUMNS, bool A_EDGE_CONTIGUOUS, bool B_EDGE_CONTIGUOUS>
void multiplyOfWarp(void* const* records, unsigned) {
  Wgmma& first = *static_cast<Wgmma*>(records[0]);
  for (int lane = 1; lane < WARP; lane++) {
    const Wgmma& other = *static_cast<Wgmma*>(records[lane]);
    if (other.a != first.a || other.b != first.b || (other.add != 0) != (first.add != 0))
      fail("wgmma: the lanes of a warp have different operands");
  }
  int firstRow = int(self->linear / WARP % 4) * 16;
  static double a[16][16], b[16][COLUMNS], sums[16][COLUMNS];
  Operands operands = {{first.a, A_EDGE_CONTIGUOUS}, {first.b, B_EDGE_CONTIGUOUS}, firstRow, COLUMNS};
  operands.begin();
  first.fingerprint = operands.fingerprint();
  operands.a.read(firstRow, 16, &a[0][0], 16, 1);
  operands.b.read(0, COLUMNS, &b[0][0], 1, COLUMNS);
  auto eachSum = [&](auto body) {
    for (int lane = 0; lane < WARP; lane++)
      for (int i = 0; i < COLUMNS / 2; i++)
        body(*static_cast<Wgmma*>(records[lane]), i, sums[i / 2 % 2 * 8 + lane / 4][i / 4 * 8 + lane % 4 * 2 + i % 2]);
  };
  eachSum([](const Wgmma& r, int i, double& sum) { sum = r.add ? r.sums[i] : 0; });
  for (int m = 0; m < 16; m++) multiplyRow(a[m], &b[0][0], COLUMNS, sums[m]);
  eachSum([](const Wgmma& r, int i, double& sum) { r.sums[i] = float(sum); });
}

template <int COLUMNS, bool A_EDGE_CONTIGUOUS, bool B_EDGE_CONTIGUOUS>
void multiplyWarpgroup(float* d, uint64_t a, uint64_t b, int add) {
  if (machine.count % 128 != 0) fail("wgmma: the block is not made of whole warpgroups");
  auto inFlight = std::find_if(self->sums.begin(), self->sums.end(), [&](const PendingSums& s) { return s.to == d; });
  if (inFlight == self->sums.end()) {
    if (!self->sumsFenced) fail("wgmma: sums that other instructions have touched, without a fence");
    self->sums.push_back({d, std::vector<float>(d, d + COLUMNS / 2), 0});
    inFlight = self->sums.end() - 1;
    std::fill_n(d, COLUMNS / 2, NAN);
  }
  inFlight->group = self->productGroups + 1;
  Wgmma record = {inFlight->values.data(), a, b, add, 0};
  collective("wgmma", 0xffffffffu, multiplyOfWarp<COLUMNS, A_EDGE_CONTIGUOUS, B_EDGE_CONTIGUOUS>, &record);
  if (lane() != 0) return;
  Operands operands = {{a, A_EDGE_CONTIGUOUS}, {b, B_EDGE_CONTIGUOUS}, int(self->linear / WARP % 4) * 16, COLUMNS};
  self->products.push_back({self->productGroups + 1, [operands, expected = record.fingerprint] {
                              if (operands.fingerprint() != expected)
                                fail("wgmma: operands have changed before the product was waited for");
                              operands.end();
                            }});
}

// Waits for all but the newest committed groups.
inline void waitProducts(uint64_t pending) {
  auto isDone = [&](uint64_t group) { return group + pending <= self->productGroups; };
  while (!self->products.empty() && isDone(self->products.front().group)) {
    self->products.front().finish();
    self->products.erase(self->products.begin());
  }
  for (size_t i = self->sums.size(); i-- > 0;) {
    PendingSums& sums = self->sums[i];
    if (!isDone(sums.group)) continue;
    std::copy(sums.values.begin(), sums.values.end(), sums.to);
    self->sums.erase(self->sums.begin() + long(i));
    self->sumsFenced = false;
  }
}

}  // namespace emulate
