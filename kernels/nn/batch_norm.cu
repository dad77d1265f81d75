// Batch normalisation of the columns of (rows, channels) (Ioffe & Szegedy 2015), with a residual and a rectifier after it:
//
//   n = (x - mean)·rstd,  y = f(n·weight + bias + residual)
//   dz = dy where y > 0, else 0 (dy itself without a rectifier)
//   dx = weight·rstd·(dz - mean(dz) - n·mean(dz·n)),  dweight += Σ dz·n,  dbias += Σ dz
//
//   batch_moments        blocks' means and squared distances' sums of each channel
//   batch_statistics     mean, rstd = 1/sqrt(variance + epsilon), running = (1 - momentum)·running + momentum·that of the batch
//   inverse_deviation    rstd from a variance
//   batch_norm           y
//   batch_norm_sums      dz, in the place of dy, and blocks' Σ dz and Σ dz·(x - mean)
//   batch_norm_gradients dweight, dbias, and the terms (3, channels) of dx: slope, shift, tilt
//   batch_norm_backward  dx = dz·slope + (x - mean)·tilt + shift
//
// x, y, dy, dx, residual (rows, channels), weight and bias (channels) are T, fp32 or bf16; all other vectors are fp32. Partials are
// (blocks, 2, channels) fp32. Blocks are combined in double, in an order that their number fixes (Chan et al. 1979).
//
// Launch contract: batch_moments, batch_norm_sums: blocks of 256 threads, exactly, grid (ceil(channels / 256), blocks),
// blocks <= rows. batch_statistics, batch_norm_gradients: a warp a channel. The others: any grid and block.
#include "common/chunk.cuh"
#include "common/types.cuh"

namespace batchnorm {

constexpr int THREADS = 256, COLUMNS = 256;  // of a block that sums columns

// A block's share of two sums of each of its columns, which body(Width, row, column, a, b) adds to; then end(column, Σa, Σb).
// Threads share out a row's chunks, and as many rows as fill the block; their sums are added in order.
template <int WIDTH, class Body, class End>
__device__ __forceinline__ void sumColumns(long long rows, int channels, float (*shares)[THREADS * 8], Body body, End end) {
  int left = min(channels - int(blockIdx.x) * COLUMNS, COLUMNS), lanes = (left + WIDTH - 1) / WIDTH, together = THREADS / lanes;
  int lane = threadIdx.x % lanes, group = threadIdx.x / lanes, column = blockIdx.x * COLUMNS + lane * WIDTH;
  long long first = rows * blockIdx.y / gridDim.y, last = rows * (blockIdx.y + 1) / gridDim.y;
  float a[WIDTH] = {}, b[WIDTH] = {};
  if (group < together) {
    for (long long row = first + group; row < last; row += together) body(Width<WIDTH>(), row, column, a, b);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) {
      shares[0][(group * lanes + lane) * WIDTH + i] = a[i];
      shares[1][(group * lanes + lane) * WIDTH + i] = b[i];
    }
  }
  __syncthreads();
  if (int(threadIdx.x) >= left) return;
  float sumA = 0, sumB = 0;
  for (int g = 0; g < together; g++) {
    sumA += shares[0][g * lanes * WIDTH + threadIdx.x];
    sumB += shares[1][g * lanes * WIDTH + threadIdx.x];
  }
  end(int(blockIdx.x) * COLUMNS + int(threadIdx.x), sumA, sumB);
}

// Distances are taken from the block's first row, which leaves little to cancel in Σd² - (Σd)²/count.
template <class T, int WIDTH>
__device__ __forceinline__ void moments(const T* x, float* partials, long long rows, int channels,
                                        float (*shares)[THREADS * 8]) {
  long long first = rows * blockIdx.y / gridDim.y, count = rows * (blockIdx.y + 1) / gridDim.y - first;
  const T* start = x + first * channels;
  sumColumns<WIDTH>(
      rows, channels, shares,
      [&](auto, long long row, int column, float(&sum)[WIDTH], float(&squares)[WIDTH]) {
        auto shift = loadChunk<WIDTH>(start + column), v = loadChunk<WIDTH>(x + row * channels + column);
#pragma unroll
        for (int i = 0; i < WIDTH; i++) {
          float d = v.at[i] - shift.at[i];
          sum[i] += d;
          squares[i] += d * d;
        }
      },
      [&](int column, float sum, float squares) {
        float mean = sum / count;
        float* to = partials + (long long)blockIdx.y * 2 * channels + column;
        to[0] = toFloat(start[column]) + mean;
        to[channels] = fmaxf(0.0f, squares - sum * mean);
      });
}

// Count, mean and squared distances' sum of a share of the rows.
struct Moments {
  double count, mean, squares;

  __device__ void add(const Moments& o) {
    double all = count + o.count, delta = o.mean - mean;
    if (o.count == 0) return;
    mean += delta * o.count / all;
    squares += o.squares + delta * delta * count * o.count / all;
    count = all;
  }
};

// The blocks' moments of a channel, on all lanes of a warp: each lane takes every 32nd block, then lanes pair up.
__device__ __forceinline__ Moments combined(const float* partials, int blocks, long long rows, int channels, int channel) {
  Moments mine = {0, 0, 0};
  for (int block = threadIdx.x % 32; block < blocks; block += 32) {
    const float* from = partials + (long long)block * 2 * channels + channel;
    mine.add({double(rows * (block + 1) / blocks - rows * block / blocks), from[0], from[channels]});
  }
  for (int distance = 1; distance < 32; distance *= 2) {
    Moments other = {__shfl_down_sync(0xffffffffu, mine.count, distance), __shfl_down_sync(0xffffffffu, mine.mean, distance),
                     __shfl_down_sync(0xffffffffu, mine.squares, distance)};
    mine.add(other);
  }
  return mine;
}

// dz in the place of dy, and its sums.
template <class T, int WIDTH>
__device__ __forceinline__ void rectifyAndSum(T* dy, const T* y, const T* x, const float* mean, float* partials, long long rows,
                                              int channels, float (*shares)[THREADS * 8]) {
  sumColumns<WIDTH>(
      rows, channels, shares,
      [&](auto, long long row, int column, float(&sum)[WIDTH], float(&product)[WIDTH]) {
        long long at = row * channels + column;
        auto dz = loadChunk<WIDTH>(dy + at), v = loadChunk<WIDTH>(x + at);
        if (y != nullptr) {
          auto out = loadChunk<WIDTH>(y + at);
#pragma unroll
          for (int i = 0; i < WIDTH; i++) dz.at[i] = out.at[i] <= 0 ? 0.0f : dz.at[i];
          storeChunk(dy + at, dz);
        }
#pragma unroll
        for (int i = 0; i < WIDTH; i++) {
          sum[i] += dz.at[i];
          product[i] += dz.at[i] * (v.at[i] - mean[column + i]);
        }
      },
      [&](int column, float sum, float product) {
        float* to = partials + (long long)blockIdx.y * 2 * channels + column;
        to[0] = sum;
        to[channels] = product;
      });
}

template <class T>
__device__ void apply(const T* x, const float* mean, const float* rstd, const T* weight, const T* bias, const T* residual, T* y,
                      long long n, int channels, int rectified) {
  bool wide = channels % 8 == 0 && isAligned16(x) && isAligned16(weight) && isAligned16(bias) && isAligned16(residual) &&
              isAligned16(y);
  forChunks<8>(n, wide, [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    int column = int(i % channels);
    auto v = loadChunk<WIDTH>(x + i), w = loadChunk<WIDTH>(weight + column), b = loadChunk<WIDTH>(bias + column);
    Chunk<WIDTH> r{};
    if (residual != nullptr) r = loadChunk<WIDTH>(residual + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
      float z = (v.at[j] - mean[column + j]) * (rstd[column + j] * w.at[j]) + b.at[j] + r.at[j];
      v.at[j] = rectified && z <= 0 ? 0.0f : z;
    }
    storeChunk(y + i, v);
  });
}

template <class T>
__device__ void backward(const T* dz, const T* x, const float* mean, const float* terms, T* dx, long long n, int channels) {
  bool wide = channels % 8 == 0 && isAligned16(dz) && isAligned16(x) && isAligned16(dx);
  forChunks<8>(n, wide, [&](auto width, long long i) {
    constexpr int WIDTH = decltype(width)::value;
    int column = int(i % channels);
    auto d = loadChunk<WIDTH>(dz + i), v = loadChunk<WIDTH>(x + i);
#pragma unroll
    for (int j = 0; j < WIDTH; j++) {
      int c = column + j;
      d.at[j] = d.at[j] * terms[c] + (v.at[j] - mean[c]) * terms[2 * channels + c] + terms[channels + c];
    }
    storeChunk(dx + i, d);
  });
}

}  // namespace batchnorm

extern "C" __global__ void batch_statistics_f32(const float* partials, int blocks, long long rows, int channels, float epsilon,
                                                float momentum, float* mean, float* rstd, float* runningMean,
                                                float* runningVariance) {
  int channel = int((blockIdx.x * (long long)blockDim.x + threadIdx.x) / 32);
  if (channel >= channels) return;
  batchnorm::Moments all = batchnorm::combined(partials, blocks, rows, channels, channel);
  if (threadIdx.x % 32 != 0) return;
  double unbiased = all.squares / (rows > 1 ? rows - 1 : 1);
  mean[channel] = float(all.mean);
  rstd[channel] = float(1 / sqrt(all.squares / rows + epsilon));
  runningMean[channel] = float((1.0 - momentum) * runningMean[channel] + momentum * all.mean);
  runningVariance[channel] = float((1.0 - momentum) * runningVariance[channel] + momentum * unbiased);
}

extern "C" __global__ void inverse_deviation_f32(const float* variance, float epsilon, float* rstd, int channels) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < channels; i += gridDim.x * blockDim.x)
    rstd[i] = 1.0f / sqrtf(variance[i] + epsilon);
}

#define BATCH_NORM_ENTRIES(suffix, T)                                                                                   \
  extern "C" __global__ void __launch_bounds__(batchnorm::THREADS)                                                      \
      batch_moments_##suffix(const T* x, float* partials, long long rows, int channels) {                               \
    __shared__ float shares[2][batchnorm::THREADS * 8];                                                                 \
    if (channels % 8 == 0 && isAligned16(x)) batchnorm::moments<T, 8>(x, partials, rows, channels, shares);             \
    else batchnorm::moments<T, 1>(x, partials, rows, channels, shares);                                                 \
  }                                                                                                                     \
  /* residual may be null. */                                                                                           \
  extern "C" __global__ void batch_norm_##suffix(const T* x, const float* mean, const float* rstd, const T* weight,     \
                                                 const T* bias, const T* residual, T* y, long long n, int channels,     \
                                                 int rectified) {                                                       \
    batchnorm::apply(x, mean, rstd, weight, bias, residual, y, n, channels, rectified);                                 \
  }                                                                                                                     \
  /* y is null without a rectifier. */                                                                                  \
  extern "C" __global__ void __launch_bounds__(batchnorm::THREADS)                                                      \
      batch_norm_sums_##suffix(T* dy, const T* y, const T* x, const float* mean, float* partials, long long rows,       \
                               int channels) {                                                                          \
    __shared__ float shares[2][batchnorm::THREADS * 8];                                                                 \
    bool wide = channels % 8 == 0 && isAligned16(dy) && isAligned16(y) && isAligned16(x);                               \
    if (wide) batchnorm::rectifyAndSum<T, 8>(dy, y, x, mean, partials, rows, channels, shares);                         \
    else batchnorm::rectifyAndSum<T, 1>(dy, y, x, mean, partials, rows, channels, shares);                              \
  }                                                                                                                     \
  extern "C" __global__ void batch_norm_gradients_##suffix(const float* partials, int blocks, long long rows,           \
                                                           int channels, const float* rstd, const T* weight,            \
                                                           float* dweight, float* dbias, float* terms) {                \
    int channel = int((blockIdx.x * (long long)blockDim.x + threadIdx.x) / 32);                                         \
    if (channel >= channels) return;                                                                                    \
    double sum = 0, product = 0;                                                                                        \
    for (int block = threadIdx.x % 32; block < blocks; block += 32) {                                                   \
      sum += partials[(long long)block * 2 * channels + channel];                                                       \
      product += partials[((long long)block * 2 + 1) * channels + channel];                                             \
    }                                                                                                                   \
    for (int distance = 16; distance > 0; distance /= 2) {                                                              \
      sum += __shfl_down_sync(0xffffffffu, sum, distance);                                                              \
      product += __shfl_down_sync(0xffffffffu, product, distance);                                                      \
    }                                                                                                                   \
    if (threadIdx.x % 32 != 0) return;                                                                                  \
    double r = rstd[channel], slope = r * toFloat(weight[channel]);                                                     \
    product *= r;                                                                                                       \
    dweight[channel] += float(product);                                                                                 \
    dbias[channel] += float(sum);                                                                                       \
    terms[channel] = float(slope);                                                                                      \
    terms[channels + channel] = float(-slope * sum / rows);                                                             \
    terms[2 * channels + channel] = float(-slope * r * product / rows);                                                 \
  }                                                                                                                     \
  extern "C" __global__ void batch_norm_backward_##suffix(const T* dz, const T* x, const float* mean,                   \
                                                          const float* terms, T* dx, long long n, int channels) {       \
    batchnorm::backward(dz, x, mean, terms, dx, n, channels);                                                           \
  }

BATCH_NORM_ENTRIES(f32, float)
BATCH_NORM_ENTRIES(bf16, bf16)
