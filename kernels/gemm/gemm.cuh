// What all matrix products share: their arguments, the tiles of grouped ones, and what is done to a result on its way out.
#pragma once

#include "common/activation.cuh"
#include "common/chunk.cuh"
#include "common/types.cuh"

enum GemmActivation { GEMM_IDENTITY = 0, GEMM_GELU = 1, GEMM_GELU_TANH = 2, GEMM_SILU = 3, GEMM_RELU = 4 };

// What a kernel can do with the nonlinearity f of a launch. Products in bf16 can by their form: nt, a layer's forward, applies
// f; nn, the gradient of an input that was f of something, multiplies by f'. All others are linear.
enum GemmNonlinearity { GEMM_LINEAR, GEMM_VALUE, GEMM_SLOPE };

// C = epilogue(A·B), sizes and pointers of one launch; passed by value, laid out without padding between the fields. With h the
// preactivation, every term but the sum optional, and C rounded once:
//   linear  C (+)= A·B + bias + residual
//   value   h = A·B + bias,  C (+)= f(h) + residual, of the h that is not rounded yet
//   slope   C (+)= (A·B + bias) ⊙ f'(h) + residual
//
// A is (m, k) and B is (k, n); how they are stored is the kernel's name: n as written, t transposed. Strides count
// elements from one stored row to the next and are multiples of 8; a, b, c, residual and preactivation are 16-byte
// aligned; where an operand's depth is contiguous (a of n?, b of ?t), k is a multiple of 8 as well. plain_gemm.cu asks
// for none of this, and its operands may be fp32: a and b are their addresses all the same.
//
// Grouped forms (Gale et al. 2022, §5.1): offsets holds groups + 1 row numbers, non-decreasing from 0, read on the device.
//   rows   group e multiplies rows [offsets[e], offsets[e+1]) of A with its own B, at b + e·groupStrideB. m is the most
//          rows that there can be; rows of C past offsets[groups] are left alone.
//   depth  group e sums over rows [offsets[e], offsets[e+1]) of both operands into its own C, at c + e·groupStrideC; a
//          group without rows gets zeros (or, accumulating, nothing). Without offsets, the depth k is cut into groups
//          parts of as many steps each, the last ones fewer or none: for a C too small to fill the device. c is then
//          scratch, (groups, m, n) fp32, whose parts add_partials_f32 of nn/sums.cu adds to C in order.
// Gathered forms are grouped ones of nt and tn that read x, the left operand of nt and the right one of tn, by an index: row p
// of the product is row rows[p] of what is stored. A token's row is then read for each of its experts as it lies, and no copy
// of it is made (Tan et al. 2024, "Scattered mixture-of-experts implementation").
struct GemmArguments {
  const bf16* a;
  const bf16* b;
  void* c;                 // bf16 or float: the kernel's name says
  const bf16* bias;        // (n) or null
  const void* residual;    // (m, n) like C and of its type, added last, or null
  bf16* preactivation;     // (m, n) like C: h, which value writes unless null and slope reads
  const int* offsets;      // (groups + 1); null in dense products
  long long groupStrideB;
  long long groupStrideC;
  long long strideA;
  long long strideB;
  long long strideC;       // of residual and preactivation too
  int m, n, k;
  int groups;
  int activation;          // GemmActivation: f; 0 where the kernel is linear
  int accumulate;          // C += ...; 0 or 1
  const int* rows;         // of gathered products: the stored row of x for each row up to offsets[groups]; else null
};

// Eight neighbours of a row, columns of which exist: the others are 0 and not touched. wide says that all do, and that they may
// be moved 16 bytes at a time.
template <class T>
__device__ __forceinline__ Chunk<8> loadEight(const T* p, int columns, bool wide) {
  if (wide) return loadChunk<8>(p);
  Chunk<8> eight;
#pragma unroll
  for (int i = 0; i < 8; i++) eight.at[i] = i < columns ? toFloat(p[i]) : 0.0f;
  return eight;
}

template <class T>
__device__ __forceinline__ void storeEight(T* p, const Chunk<8>& eight, int columns, bool wide) {
  if (wide) return storeChunk<8>(p, eight);
#pragma unroll
  for (int i = 0; i < 8; i++)
    if (i < columns) p[i] = fromFloat<T>(eight.at[i]);
}

// Calls body with the nonlinearity of the code; not for the identity.
template <class Body>
__device__ __forceinline__ void withActivation(int code, Body body) {
  switch (code) {
    case GEMM_GELU: return body(activation::Gelu());
    case GEMM_GELU_TANH: return body(activation::GeluTanh());
    case GEMM_SILU: return body(activation::Silu());
    case GEMM_RELU: return body(activation::Relu());
  }
}

// Takes eight sums of one row to C. columns of them exist; wide says that they may be moved 16 bytes at a time.
template <GemmNonlinearity NONLINEARITY = GEMM_LINEAR, class Out>
__device__ __forceinline__ void writeOut(const GemmArguments& g, Out* c, const float (&sums)[8], long long row, int column,
                                         int columns, bool wide) {
  long long at = row * g.strideC + column;
  Chunk<8> values;
  for (int i = 0; i < 8; i++) {
    bool exists = i < columns;
    values.at[i] = sums[i] + (g.bias != nullptr && exists ? toFloat(g.bias[column + i]) : 0.0f);
  }
  if (NONLINEARITY == GEMM_VALUE) {
    if (g.preactivation != nullptr) storeEight(g.preactivation + at, values, columns, wide);
    withActivation(g.activation, [&](auto f) {
      for (int i = 0; i < 8; i++) values.at[i] = decltype(f)::at(values.at[i]).value;
    });
  }
  if (NONLINEARITY == GEMM_SLOPE && g.activation != GEMM_IDENTITY) {
    Chunk<8> h = loadEight(g.preactivation + at, columns, wide);
    withActivation(g.activation, [&](auto f) {
      for (int i = 0; i < 8; i++) values.at[i] *= decltype(f)::at(h.at[i]).slope;
    });
  }
  if (g.residual != nullptr) {
    Chunk<8> residual = loadEight(static_cast<const Out*>(g.residual) + at, columns, wide);
    for (int i = 0; i < 8; i++) values.at[i] += residual.at[i];
  }
  if (g.accumulate) {
    Chunk<8> old = loadEight(c + at, columns, wide);
    for (int i = 0; i < 8; i++) values.at[i] += old.at[i];
  }
  storeEight(c + at, values, columns, wide);
}

// What one output tile multiplies.
struct GemmTask {
  int group;
  long long row;    // first row of the tile in A and C
  int column;       // first column of the tile in B and C
  long long rows;   // rows of the tile's group from row on
  long long first;  // first step of the depth
  long long depth;  // steps
};

enum GemmForm { GEMM_DENSE, GEMM_RAGGED_ROWS, GEMM_RAGGED_DEPTH };

// By whether the depth is contiguous in A and in B: nt, nn, tn.
constexpr GemmNonlinearity nonlinearityOf(bool contiguousA, bool contiguousB) {
  return !contiguousA ? GEMM_LINEAR : contiguousB ? GEMM_VALUE : GEMM_SLOPE;
}

// Numbers the output tiles of a launch and finds the tile of a number. Numbers asked for must not decrease: the search
// through the groups goes on where the last one ended. All lanes of a warp ask together.
template <GemmForm FORM, int TILE_ROWS, int TILE_COLUMNS>
struct GemmTasks {
  const GemmArguments& g;
  int tilesAcross;
  int firstGroup = 0;         // first of the 32 groups that the lanes hold
  long long tilesBefore = 0;  // of the groups before it

  __device__ explicit GemmTasks(const GemmArguments& g) : g(g), tilesAcross((g.n + TILE_COLUMNS - 1) / TILE_COLUMNS) {}

  // False when there are no more tiles.
  __device__ bool find(long long number, GemmTask& task) {
    if (FORM == GEMM_RAGGED_ROWS) return findRagged(number, task);
    long long tilesDown = (g.m + TILE_ROWS - 1) / TILE_ROWS;
    long long perGroup = tilesDown * tilesAcross;
    int groups = FORM == GEMM_DENSE ? 1 : g.groups;
    if (number >= perGroup * groups) return false;
    task.group = int(number / perGroup);
    place(number % perGroup, 0, g.m, task);
    if (FORM == GEMM_DENSE) {
      task.first = 0;
      task.depth = g.k;
    } else if (g.offsets == nullptr) {
      // Whole stages of every kernel, so that only the last part ends within one.
      long long part = ((g.k + g.groups - 1) / g.groups + 63) / 64 * 64;
      task.first = min(task.group * part, (long long)g.k);
      task.depth = min(part, g.k - task.first);
    } else {
      task.first = g.offsets[task.group];
      task.depth = g.offsets[task.group + 1] - task.first;
    }
    return true;
  }

  // Tiles go down a band of rows and then to the next columns, band after band: what the blocks of a moment read, a band of A and
  // some columns of B, stays in the second-level cache until it has been used.
  __device__ void place(long long number, long long firstRow, long long rows, GemmTask& task) {
    constexpr int BAND = 2048 / TILE_ROWS;  // tiles
    int tilesDown = int((rows + TILE_ROWS - 1) / TILE_ROWS), band = int(number) / (BAND * tilesAcross);
    int within = int(number) - band * (BAND * tilesAcross), tall = min(BAND, tilesDown - band * BAND), across = within / tall;
    long long down = (long long)(band * BAND + within - across * tall) * TILE_ROWS;
    task.row = firstRow + down;
    task.rows = rows - down;
    task.column = across * TILE_COLUMNS;
  }

  // Each lane counts the tiles of one of 32 groups; a scan over the lanes tells in which group the number falls.
  __device__ bool findRagged(long long number, GemmTask& task) {
    int lane = threadIdx.x % 32;
    for (; firstGroup < g.groups; firstGroup += 32) {
      int e = firstGroup + lane;
      int start = e < g.groups ? g.offsets[e] : 0;
      int rows = e < g.groups ? g.offsets[e + 1] - start : 0;
      int tiles = (rows + TILE_ROWS - 1) / TILE_ROWS * tilesAcross;
      int end = tiles;
      for (int distance = 1; distance < 32; distance *= 2) {
        int other = __shfl_up_sync(0xffffffffu, end, distance);
        if (lane >= distance) end += other;
      }
      int total = __shfl_sync(0xffffffffu, end, 31);
      long long within = number - tilesBefore;
      if (within < total) {
        int owner = __ffs(__ballot_sync(0xffffffffu, end > within)) - 1;
        int before = __shfl_sync(0xffffffffu, end - tiles, owner);
        int firstRow = __shfl_sync(0xffffffffu, start, owner);
        int groupRows = __shfl_sync(0xffffffffu, rows, owner);
        task.group = firstGroup + owner;
        task.first = 0;
        task.depth = g.k;
        place(within - before, firstRow, groupRows, task);
        return true;
      }
      tilesBefore += total;
    }
    return false;
  }
};
