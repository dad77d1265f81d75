// Products as gpu-core launches them (MmaGemm, HopperGemm) and as cuBLAS does.
#pragma once

#include "gemm/mma_gemm.cu"
#ifdef SPARROW_HOPPER
#include "gemm/hopper_gemm.cu"
#include "test/tensor_map.h"
#endif

#include "bench/cublas.h"
#include "bench/product.cuh"

namespace bench {

// A product by mma.sync: large tiles where they fill the device.
class MmaLaunch {
 public:
  explicit MmaLaunch(const Product& p) : arguments_(p.arguments()) {
    large_ = tiles(p, Large::ROWS) >= device::multiprocessors();
    kernel_ = KERNELS[p.isGathered() ? 2 : p.isGrouped()][p.form][large_];
    grid_ = int(std::min(2ll * device::multiprocessors(), tiles(p, large_ ? Large::ROWS : Small::ROWS)));
  }

  void operator()() const {
    device::enqueue(kernel_, grid_, large_ ? Large::THREADS : Small::THREADS, large_ ? Large::SHARED_BYTES : Small::SHARED_BYTES,
                    arguments_);
  }

  std::string name() const { return large_ ? "mma.sync 128x128x32" : "mma.sync 64x64x32"; }

 private:
  using Kernel = void (*)(GemmArguments);
  // Dense, grouped, gathered; of these nn has none, since it reads no x.
  static constexpr Kernel KERNELS[3][3][2] = {
      {{gemm_nt_bf16_64x64x32, gemm_nt_bf16_128x128x32},
       {gemm_nn_bf16_64x64x32, gemm_nn_bf16_128x128x32},
       {gemm_tn_f32_64x64x32, gemm_tn_f32_128x128x32}},
      {{grouped_gemm_nt_bf16_64x64x32, grouped_gemm_nt_bf16_128x128x32},
       {grouped_gemm_nn_bf16_64x64x32, grouped_gemm_nn_bf16_128x128x32},
       {grouped_gemm_tn_f32_64x64x32, grouped_gemm_tn_f32_128x128x32}},
      {{gathered_gemm_nt_bf16_64x64x32, gathered_gemm_nt_bf16_128x128x32},
       {nullptr, nullptr},
       {gathered_gemm_tn_f32_64x64x32, gathered_gemm_tn_f32_128x128x32}}};

  // Each ragged group may begin and end within a tile.
  static long long tiles(const Product& p, int edge) {
    long long down = (p.m + edge - 1) / edge, across = (p.n + edge - 1) / edge;
    if (!p.isGrouped()) return down * across;
    return p.form == TN ? down * across * p.groups : (down + p.groups) * across;
  }

  GemmArguments arguments_;
  Kernel kernel_;
  bool large_;
  int grid_;
};

#ifdef SPARROW_HOPPER

// A product by the copy engine and wgmma.
class HopperLaunch {
 public:
  explicit HopperLaunch(const Product& p)
      : arguments_(p.arguments()), kernel_(KERNELS[p.isGrouped()][p.form]),
        a_(device::operandMap(p.a, p.form != TN, p.m, p.k, 1, p.strideA(), (long long)p.m * p.k, Sizes::ROWS)),
        b_(device::operandMap(p.b, p.form == NT, p.n, p.k, p.form == TN ? 1 : p.groups, p.strideB(), (long long)p.n * p.k,
                              Sizes::COLUMNS)) {}

  void operator()() const {
    device::enqueue(kernel_, device::multiprocessors(), Sizes::THREADS, Sizes::SHARED_BYTES, a_, b_, arguments_);
  }

  // Whether the tiles fill half of the device, where smaller ones are better else; the copy engine takes no rows by an index.
  static bool takes(const Product& p) {
    long long down = (p.m + Sizes::ROWS - 1) / Sizes::ROWS, across = (p.n + Sizes::COLUMNS - 1) / Sizes::COLUMNS;
    return !p.isGathered() && 2 * down * across * (p.form == TN ? p.groups : 1) >= device::multiprocessors();
  }

  std::string name() const { return "wgmma 128x256x64"; }

 private:
  using Sizes = HopperGemm<true, true>;
  using Kernel = void (*)(TensorMap, TensorMap, GemmArguments);
  static constexpr Kernel KERNELS[2][3] = {
      {hopper_gemm_nt_bf16_128x256x64, hopper_gemm_nn_bf16_128x256x64, hopper_gemm_tn_f32_128x256x64},
      {hopper_grouped_gemm_nt_bf16_128x256x64, hopper_grouped_gemm_nn_bf16_128x256x64, hopper_grouped_gemm_tn_f32_128x256x64}};

  GemmArguments arguments_;
  Kernel kernel_;
  TensorMap a_, b_;
};

#endif

// A product as the backend would launch it.
struct GemmLaunch {
  std::string kernel;
  Body queue;

  explicit GemmLaunch(const Product& p) {
#ifdef SPARROW_HOPPER
    if (HopperLaunch::takes(p)) {
      HopperLaunch launch(p);
      kernel = launch.name(), queue = launch;
      return;
    }
#endif
    MmaLaunch launch(p);
    kernel = launch.name(), queue = launch;
  }
  void operator()() const { queue(); }
};

// How experts come to their tokens' rows: by a copy in the experts' order, or by an index while they multiply.
enum class Rows { COPIED, GATHERED };
inline const char* nameOf(Rows rows) { return rows == Rows::COPIED ? "rows copied" : "rows gathered"; }

// The backend's choice (CudaMatmulOps): Hopper's much faster kernels do not gather.
#ifdef SPARROW_HOPPER
constexpr Rows CHOSEN_ROWS = Rows::COPIED, OTHER_ROWS = Rows::GATHERED;
#else
constexpr Rows CHOSEN_ROWS = Rows::GATHERED, OTHER_ROWS = Rows::COPIED;
#endif

// The same by cuBLAS, without what happens on the way out; of a grouped product one dense product of as many operations, by the
// first group's B.
inline Body cublasOf(CuBlas* cublas, const Product& p) {
  return [=] {
    cublas->multiply(p.form == TN, p.form == NT, p.m, p.n, p.k, p.a, p.strideA(), p.b, p.strideB(), p.c, p.form == TN,
                     p.accumulate);
  };
}

}  // namespace bench
