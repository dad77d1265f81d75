// Optimizer steps over the whole parameter arena, and the gradient's global norm.
//
//   AdamW (Loshchilov & Hutter 2019)      g = scale·gradient,  m = β1·m + (1-β1)·g,  v = β2·v + (1-β2)·g²
//                                         w = w·(1 - lr·decay) - lr·m̂/(sqrt(v̂) + ε)
//   SGD with momentum (as PyTorch's)      g = scale·gradient + decay·w,  v = momentum·v + g
//                                         w -= lr·v,  with nesterov  w -= lr·(g + momentum·v)
//   Global norm                           Σ gradient², from which the host makes scale (clipping, Pascanu et al. 2013)
//
// gradient, w (the master weights), m and v are fp32 vectors of n elements; the entries *_bf16 write in the same pass
// copy = bf16(w), the weights that forward and backward read. gradient is left as it is.
//
// What changes from step to step is read from device memory, so that a captured graph need not be changed: the constants
// below, and scale, one float. AdamW's bias corrections are folded into the constants:
// lr·m̂/(sqrt(v̂) + ε) = rate·m/(root·sqrt(v) + ε), rate = lr/(1 - β1^t), root = 1/sqrt(1 - β2^t).
//
// Segments: segment s ends before element segmentEnds[s] (ascending, the last is n), decays where segmentDecays[s] is not 0
// and multiplies the learning rate, that of AdamW's decay aside, by segmentRates[s]. They may be empty and end anywhere.
//
// Launch contract: one-dimensional grid and block, any size of grid, the block a multiple of 32; arrays are read 16
// bytes at a time where all addresses permit. An element's result does not depend on the grid, and its arithmetic is,
// rounding by rounding, that of the CPU backend. Σ x² depends on the grid of squared_norm_partials alone; sum_partials_f64
// of nn/sums.cu ends it.
#include "common/chunk.cuh"
#include "common/double_sum.cuh"
#include "common/types.cuh"

namespace optimizer {

struct AdamWConstants {
  float keep;  // 1 - lr·decay
  float beta1, fresh1, beta2, fresh2;  // fresh = 1 - beta
  float rate, root, epsilon;
};

struct SgdConstants {
  float rate;  // lr
  float momentum, decay;
  float ahead, along;  // the step is ahead·g + along·v: 0 and 1, with nesterov 1 and momentum
};

// Where a thread, which goes through the arena in rising order, stands among the segments.
struct Segments {
  const long long* ends;
  const int* decays;
  const float* rates;
  int count, current;
  long long end;
  bool decaysHere;
  float rateHere;

  __device__ __forceinline__ Segments(const long long* ends_, const int* decays_, const float* rates_, int count_)
      : ends(ends_), decays(decays_), rates(rates_), count(count_), current(-1), end(0), decaysHere(false), rateHere(1) {}

  // Goes to the segment of element i, below the last segment's end and no less than in the call before.
  __device__ __forceinline__ void moveTo(long long i) {
    if (i >= end) seek(i);
  }

 private:
  // The first segment that ends behind i.
  __device__ __forceinline__ void seek(long long i) {
    int low = current + 1, high = count - 1;
    while (low < high) {
      int middle = (low + high) / 2;
      if (ends[middle] > i) high = middle;
      else low = middle + 1;
    }
    current = low;
    end = ends[low];
    decaysHere = decays[low] != 0;
    rateHere = rates[low];
  }
};

__device__ __forceinline__ void adamWElement(const AdamWConstants& c, const Segments& here, float g, float& w, float& m,
                                             float& v) {
  m = fmaf(m, c.beta1, g * c.fresh1);
  v = fmaf(v, c.beta2, g * g * c.fresh2);
  float step = m / fmaf(sqrtf(v), c.root, c.epsilon);
  w = __fadd_rn(__fmul_rn(w, here.decaysHere ? c.keep : 1.0f), __fmul_rn(step, -__fmul_rn(here.rateHere, c.rate)));
}

__device__ __forceinline__ void sgdElement(const SgdConstants& c, const Segments& here, float g, float& w, float& v) {
  g = fmaf(w, here.decaysHere ? c.decay : 0.0f, g);
  v = fmaf(v, c.momentum, g);
  w = fmaf(fmaf(v, c.along, g * c.ahead), -__fmul_rn(here.rateHere, c.rate), w);
}

// Without COPY, copy is null, which counts as aligned.
template <bool COPY>
__device__ __forceinline__ void adamW(const AdamWConstants* constants, const float* scale, const float* gradient, float* w,
                                      float* m, float* v, bf16* copy, long long n, Segments segments) {
  AdamWConstants c = *constants;
  float gradientScale = *scale;
  bool wide = isAligned16(gradient) && isAligned16(w) && isAligned16(m) && isAligned16(v) && isAligned16(copy);
  forChunks<COPY ? 8 : 4>(n, wide, [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto gs = loadChunk<WIDTH>(gradient + i), ws = loadChunk<WIDTH>(w + i), ms = loadChunk<WIDTH>(m + i),
         vs = loadChunk<WIDTH>(v + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
      segments.moveTo(i + j);
      adamWElement(c, segments, gs.at[j] * gradientScale, ws.at[j], ms.at[j], vs.at[j]);
    }
    storeChunk<WIDTH>(w + i, ws);
    storeChunk<WIDTH>(m + i, ms);
    storeChunk<WIDTH>(v + i, vs);
    if constexpr (COPY) storeChunk<WIDTH>(copy + i, ws);
  });
}

template <bool COPY>
__device__ __forceinline__ void sgd(const SgdConstants* constants, const float* scale, const float* gradient, float* w,
                                    float* v, bf16* copy, long long n, Segments segments) {
  SgdConstants c = *constants;
  float gradientScale = *scale;
  bool wide = isAligned16(gradient) && isAligned16(w) && isAligned16(v) && isAligned16(copy);
  forChunks<COPY ? 8 : 4>(n, wide, [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto gs = loadChunk<WIDTH>(gradient + i), ws = loadChunk<WIDTH>(w + i), vs = loadChunk<WIDTH>(v + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
      segments.moveTo(i + j);
      sgdElement(c, segments, __fmul_rn(gs.at[j], gradientScale), ws.at[j], vs.at[j]);
    }
    storeChunk<WIDTH>(w + i, ws);
    storeChunk<WIDTH>(v + i, vs);
    if constexpr (COPY) storeChunk<WIDTH>(copy + i, ws);
  });
}

// partials[block] = the block's share of Σ x², in double.
template <typename T>
__device__ __forceinline__ void squaredNormPartials(const T* x, double* partials, long long n) {
  __shared__ double scratch[32];
  double sum = 0;
  forChunks<Pack<T>::SIZE>(n, isAligned16(x), [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    auto xs = loadChunk<WIDTH>(x + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) sum = fma(double(xs.at[j]), double(xs.at[j]), sum);
  });
  sum = blockSumDouble(sum, scratch);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

}  // namespace optimizer

extern "C" __global__ void adamw_f32(const optimizer::AdamWConstants* constants, const float* scale, const float* gradient,
                                     float* w, float* m, float* v, long long n, const long long* segmentEnds,
                                     const int* segmentDecays, const float* segmentRates, int segments) {
  optimizer::adamW<false>(constants, scale, gradient, w, m, v, nullptr, n,
                          optimizer::Segments(segmentEnds, segmentDecays, segmentRates, segments));
}

extern "C" __global__ void adamw_bf16(const optimizer::AdamWConstants* constants, const float* scale, const float* gradient,
                                      float* w, float* m, float* v, bf16* copy, long long n, const long long* segmentEnds,
                                      const int* segmentDecays, const float* segmentRates, int segments) {
  optimizer::adamW<true>(constants, scale, gradient, w, m, v, copy, n,
                         optimizer::Segments(segmentEnds, segmentDecays, segmentRates, segments));
}

extern "C" __global__ void sgd_f32(const optimizer::SgdConstants* constants, const float* scale, const float* gradient,
                                   float* w, float* v, long long n, const long long* segmentEnds, const int* segmentDecays,
                                   const float* segmentRates, int segments) {
  optimizer::sgd<false>(constants, scale, gradient, w, v, nullptr, n,
                        optimizer::Segments(segmentEnds, segmentDecays, segmentRates, segments));
}

extern "C" __global__ void sgd_bf16(const optimizer::SgdConstants* constants, const float* scale, const float* gradient,
                                    float* w, float* v, bf16* copy, long long n, const long long* segmentEnds,
                                    const int* segmentDecays, const float* segmentRates, int segments) {
  optimizer::sgd<true>(constants, scale, gradient, w, v, copy, n,
                       optimizer::Segments(segmentEnds, segmentDecays, segmentRates, segments));
}

extern "C" __global__ void squared_norm_partials_f32(const float* x, double* partials, long long n) {
  optimizer::squaredNormPartials(x, partials, n);
}

extern "C" __global__ void squared_norm_partials_bf16(const bf16* x, double* partials, long long n) {
  optimizer::squaredNormPartials(x, partials, n);
}
