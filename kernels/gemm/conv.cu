// Convolutions in bf16 with fp32 accumulation on mma.sync, sm_80 and up, as implicit products: patches are read out of the
// images into shared memory tile by tile and exist nowhere else (Chetlur et al. 2014, "cuDNN"; NVIDIA CUTLASS, implicit GEMM).
//
//   conv_forward         y (pixels out, filters) = P·wᵀ                P (pixels out, places·channels) patches of x
//   conv_backward_input  dx (pixels, channels) (+)= Q·v                Q (pixels, places·filters) what windows that saw the
//                                                                      pixel gave of dy, v (places·filters, channels) is w;
//                                                                      pixels and places of a Lattice
//   conv_backward_weight dw (filters, places·channels) = dyᵀ·P         in parts of the pixels, see gemm.cuh
//
// m, n and k of the arguments are those of these products. With a stride the input's gradient takes stride² launches, one for each
// lattice, of as many operations together as forward; k may be 0 there.
//
// Launch contract: as mma_gemm.cu, whose tiles these are: any number of blocks of Config::THREADS, Config::SHARED_BYTES.
#include "gemm/conv.cuh"

namespace conv {

using Large = GemmConfig<128, 128, 32, 64, 32, 4>;
using Small = GemmConfig<64, 64, 32, 32, 32, 4>;

template <class Config>
struct Forward {
  using Product = MmaProduct<Config, true, true>;
  PatchRows<Config, false> patches;

  __device__ static long long rowOfC(const ConvWindow&, long long row) { return row; }
  __device__ void begin(const ConvArguments& c, const GemmTask& task) { patches.find(c.window, task); }

  __device__ void fetch(const ConvArguments& c, const GemmTask& task, int from, bf16* stage) const {
    patches.load(stage, c.window, c.g.a, c.window.channels, from, c.g.k);
    Product::B::template load<Config::THREADS>(stage + Product::A::ELEMENTS, c.g.b + task.column * c.g.strideB + from, c.g.strideB,
                                               c.g.n - task.column, c.g.k - from);
  }
};

template <class Config>
struct InputGradient {
  using Product = MmaProduct<Config, true, false>;
  using B = typename Product::B;
  PatchRows<Config, true> patches;

  // Of a lattice's pixel.
  __device__ static long long rowOfC(const ConvWindow& w, long long row) {
    Pixel p = Pixel::of(row, w.lattice.height, w.lattice.width, w.height * w.width);
    return p.image + (long long)(w.lattice.firstY + p.y * w.stride) * w.width + w.lattice.firstX + p.x * w.stride;
  }
  __device__ void begin(const ConvArguments& c, const GemmTask& task) { patches.find(c.window, task); }

  __device__ void fetch(const ConvArguments& c, const GemmTask& task, int from, bf16* stage) const {
    const Lattice& lattice = c.window.lattice;
    int filters = c.g.k / (lattice.tapsY * lattice.tapsX);
    patches.load(stage, c.window, c.g.a, filters, from, c.g.k);
    bf16* tile = stage + Product::A::ELEMENTS;
#pragma unroll
    for (int i = threadIdx.x; i < B::ROWS * B::CHUNKS; i += Config::THREADS) {
      int row = i / B::CHUNKS, chunk = i % B::CHUNKS, at = from + row, column = task.column + chunk * 8;
      int place = at / filters, filter = at - place * filters, placeY = place / lattice.tapsX, placeX = place - placeY * lattice.tapsX;
      int tap = (lattice.firstTapY + placeY * c.window.stride) * c.window.kernel + lattice.firstTapX + placeX * c.window.stride;
      bool exists = at < c.g.k && column < c.g.n;
      const bf16* v = c.g.b + filter * c.g.strideB + (long long)tap * c.window.channels + column;
      ptx::cpAsync16(tile + B::at(row, chunk), exists ? v : c.g.b, exists);
    }
  }
};

template <class Config>
struct WeightGradient {
  using Product = MmaProduct<Config, false, false>;
  using B = typename Product::B;
  static_assert(Config::THREADS % B::CHUNKS == 0, "a thread keeps to one chunk");
  int ky, kx, channel;

  __device__ static long long rowOfC(const ConvWindow&, long long row) { return row; }
  __device__ void begin(const ConvArguments& c, const GemmTask& task) {
    int column = task.column + int(threadIdx.x) % B::CHUNKS * 8, tap = column / c.window.channels;
    channel = column - tap * c.window.channels;
    ky = tap / c.window.kernel;
    kx = tap - ky * c.window.kernel;
  }

  __device__ void fetch(const ConvArguments& c, const GemmTask& task, int from, bf16* stage) const {
    long long first = task.first + from, left = task.depth - from;
    Product::A::template load<Config::THREADS>(stage, c.g.a + first * c.g.strideA + task.row, c.g.strideA, task.rows, left);
    const ConvWindow& w = c.window;
    int chunk = threadIdx.x % B::CHUNKS;
#pragma unroll
    for (int row = threadIdx.x / B::CHUNKS; row < B::ROWS; row += Config::THREADS / B::CHUNKS) {
      bool exists = row < left && task.column + chunk * 8 < c.g.n;
      Pixel out = Pixel::of(exists ? first + row : 0, w.outHeight, w.outWidth, w.height * w.width);
      long long pixel = seen(w, out, ky, kx, exists);
      ptx::cpAsync16(stage + Product::A::ELEMENTS + B::at(row, chunk), exists ? c.g.b + pixel * w.channels + channel : c.g.b,
                     exists);
    }
  }
};

template <class Config, class Operands, GemmForm FORM, class Out>
__device__ __forceinline__ void convolve(const ConvArguments& c) {
  using Product = typename Operands::Product;
  SPARROW_DYNAMIC_SHARED(unsigned char, shared);
  bf16* stages = reinterpret_cast<bf16*>(shared);
  int warpRow = Product::warpRow(), warpColumn = Product::warpColumn();
  GemmTasks<FORM, Config::ROWS, Config::COLUMNS> tasks(c.g);
  GemmTask task;
  for (long long number = blockIdx.x; tasks.find(number, task); number += gridDim.x) {
    typename Product::Sums sums = {};
    Operands operands;
    operands.begin(c, task);
    throughStages<Config>(
        task.depth,
        [&](long long step) {
          operands.fetch(c, task, int(step) * Config::DEPTH, stages + step % Config::STAGES * Config::STAGE_ELEMENTS);
        },
        [&](long long step) {
          Product::multiply(stages + step % Config::STAGES * Config::STAGE_ELEMENTS, warpRow, warpColumn, sums);
        });
    writeTile<Config, Out>(c.g, task, reinterpret_cast<float*>(shared), warpRow, warpColumn, sums,
                           [&](long long row) { return Operands::rowOfC(c.window, row); });
  }
}

}  // namespace conv

#define CONV_ENTRY(name, operands, form, out, outName, config, tile)                                                \
  extern "C" __global__ void __launch_bounds__(conv::config::THREADS, 2) name##_##outName##_##tile(GemmArguments g,    \
                                                                                                ConvWindow window) { \
    conv::convolve<conv::config, conv::operands<conv::config>, form, out>({g, window});                             \
  }
#define CONV_TILES(name, operands, form, out, outName)                        \
  CONV_ENTRY(name, operands, form, out, outName, Large, 128x128x32)           \
  CONV_ENTRY(name, operands, form, out, outName, Small, 64x64x32)

CONV_TILES(conv_forward, Forward, GEMM_DENSE, bf16, bf16)
CONV_TILES(conv_backward_input, InputGradient, GEMM_DENSE, bf16, bf16)
CONV_TILES(conv_backward_weight, WeightGradient, GEMM_RAGGED_DEPTH, float, f32)
