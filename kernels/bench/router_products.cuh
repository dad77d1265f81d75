// A router's three products with its fp32 weight, by tensor cores as three bf16 parts (gemm/split_gemm.cu), as gpu-core's
// SplitGemm and DepthParts queue them: each product makes the parts that it multiplies. gpu-core does so from 128 tokens on,
// where widths are multiples of 8.
#pragma once

#include "gemm/split_gemm.cu"
#include "nn/sums.cu"

#include "bench/grid.h"

namespace bench {

// Parts of an fp32 matrix (rows, columns).
class SplitMatrix {
 public:
  SplitMatrix(int rows, int columns)
      : rows_(rows), columns_(columns), stride_((columns + 7) / 8 * 8), parts_(size_t(3) * rows * stride_) {}

  void split(const float* x) const {
    device::enqueue(split_f32_bf16, blocksOverElements((long long)rows_ * stride_), THREADS, 0, x, parts_, rows_, columns_,
                    stride_);
  }
  const bf16* parts() const { return parts_; }
  int stride() const { return stride_; }

 private:
  int rows_, columns_, stride_;
  device::Buffer<bf16> parts_;
};

class RouterProducts {
 public:
  RouterProducts(int tokens, int width, int experts)
      : tokens_(tokens), width_(width), experts_(experts), weight_(experts, width), dlogits_(tokens, experts),
        depthParts_(depthParts(tokens, width, experts)),
        partials_(depthParts_ == 1 ? 0 : size_t(depthParts_) * experts * width) {
    requireTiles();
  }

  // logits (T, E) = x·wᵀ, x (T, width) bf16, w (E, width) fp32
  void logits(const bf16* x, const float* w, float* logits) const {
    weight_.split(w);
    GemmArguments g = arguments(tokens_, experts_, width_, x, width_, weight_.parts(), weight_.stride(), logits);
    long long tall = tiles(tokens_, 256, experts_, 64);
    if (2 * tall >= device::multiprocessors()) queue<split::TallLogits>(split_gemm_nt_bf16_f32_f32_256x64x32, 1, tall, g);
    else queue<split::SmallLogits>(split_gemm_nt_bf16_f32_f32_128x64x32, 2, tiles(tokens_, 128, experts_, 64), g);
  }

  // dw (E, width) += dlogitsᵀ·x, over the depth of the tokens in parts where it is long
  void weightGradient(const float* dlogits, const bf16* x, float* dw) const {
    dlogits_.split(dlogits);
    bool whole = depthParts_ == 1;
    float* c = whole ? dw : partials_.data();
    GemmArguments g = arguments(experts_, width_, tokens_, dlogits_.parts(), dlogits_.stride(), x, width_, c);
    g.groups = depthParts_;
    g.groupStrideC = (long long)experts_ * width_;
    g.accumulate = whole;
    queue<split::WeightGradient>(split_gemm_tn_f32_bf16_f32_64x256x32, 1, weightTiles(width_, experts_) * depthParts_, g);
    long long n = (long long)experts_ * width_;
    if (!whole) device::enqueue(add_partials_f32, int((n + 31) / 32), THREADS, 0, partials_, dw, depthParts_, n, n);
  }

  // dx (T, width) += dlogits·w
  void inputGradient(const float* dlogits, const float* w, bf16* dx) const {
    dlogits_.split(dlogits);
    weight_.split(w);
    GemmArguments g = arguments(tokens_, width_, experts_, dlogits_.parts(), dlogits_.stride(), weight_.parts(),
                                weight_.stride(), dx);
    g.accumulate = 1;
    queue<split::InputGradient>(split_gemm_nn_f32_f32_bf16_128x128x32, 2, tiles(tokens_, 128, width_, 128), g);
  }

  double flops() const { return 2.0 * tokens_ * width_ * experts_; }

 private:
  static constexpr int LEAST_DEPTH = 512;  // below which a part is not worth a block

  static long long tiles(int m, int rows, int n, int columns) {
    return (long long)((m + rows - 1) / rows) * ((n + columns - 1) / columns);
  }

  static long long weightTiles(int width, int experts) { return tiles(experts, 64, width, 256); }

  static int depthParts(int tokens, int width, int experts) {
    long long wanted = device::multiprocessors() / weightTiles(width, experts);
    return int(std::max(1ll, std::min(wanted, (long long)tokens / LEAST_DEPTH)));
  }

  // Devices of 8.6 and 8.9 have too little, and gpu-core takes plain_gemm.cu for what does not fit there.
  static void requireTiles() {
    size_t needed = split::WeightGradient::SHARED_BYTES, got = device::mostSharedBytes();
    if (got < needed)
      throw std::runtime_error("a router's products in parts: expected " + std::to_string(needed) +
                               " bytes of shared memory for a block, got " + std::to_string(got) +
                               "; measure them on a device of compute capability 8.0 or 9.0");
  }

  static GemmArguments arguments(int m, int n, int k, const bf16* a, int strideA, const bf16* b, int strideB, void* c) {
    GemmArguments g = {};
    g.a = a, g.b = b, g.c = c;
    g.strideA = strideA, g.strideB = strideB, g.strideC = n;
    g.m = m, g.n = n, g.k = k, g.groups = 1;
    return g;
  }

  template <class Split>
  static void queue(void (*kernel)(GemmArguments), int perMultiprocessor, long long tiles, const GemmArguments& g) {
    int grid = int(std::min((long long)perMultiprocessor * device::multiprocessors(), tiles));
    device::enqueue(kernel, grid, Split::THREADS, Split::SHARED_BYTES, g);
  }

  int tokens_, width_, experts_;
  SplitMatrix weight_, dlogits_;
  int depthParts_;
  device::Buffer<float> partials_;
};

}  // namespace bench
