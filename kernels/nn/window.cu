// Windows over images, element by element: patches and the way back, maximum pooling and its gradient.
//
//   patches            p_(out, tap, c) = x_(pixel seen at tap, c), 0 past the edge
//   patches_backward   dx_(pixel, c) (+)= Σ_taps dp_(out that sees it at tap, tap, c)
//   max_pool           y_(out, c) = max over taps of x, taps_(out, c) the first tap that has it
//   max_pool_backward  dx_(pixel, c) = Σ_taps dy_(out that sees it at tap, c) where taps_(out, c) is that tap
//
//   pad_columns        to_(row, column) = from_(row, column), 0 in the columns that from has not
//   add_columns        to_(row, column) += from_(row, column), without the columns that to has not
//
// x, dx (rows, channels), p, dp (outRows, taps, channels), a row stride numbers after the one before, which is a multiple of 8 for the
// tensor cores where channels are not; y, dy, taps (outRows, channels); T is fp32 or bf16, sums are fp32 in
// the order of the taps. The gradients gather, so that no two threads add to one number.
//
// Launch contract: one-dimensional grid and block of any size. Eight channels are moved at a time where channels and addresses
// permit.
#include "common/chunk.cuh"
#include "gemm/conv.cuh"

namespace window {

// Calls body(Width<w>, row, first channel) for all chunks of (rows, channels).
template <class Body>
__device__ __forceinline__ void forChannels(long long rows, int channels, bool wide, Body body) {
  long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x, threads = (long long)gridDim.x * blockDim.x;
  if (wide) {
    int chunks = channels / 8;
    for (long long i = thread; i < rows * chunks; i += threads) body(Width<8>(), i / chunks, int(i % chunks) * 8);
  } else {
    for (long long i = thread; i < rows * channels; i += threads) body(Width<1>(), i / channels, int(i % channels));
  }
}

template <class T>
__device__ void patches(const T* x, T* p, int stride, ConvWindow w, long long outRows) {
  int taps = w.kernel * w.kernel;
  bool wide = w.channels % 8 == 0 && stride % 8 == 0 && isAligned16(x) && isAligned16(p);
  forChannels(outRows * taps, w.channels, wide, [&](auto width, long long row, int c) {
    constexpr int WIDTH = decltype(width)::value;
    int tap = int(row % taps);
    bool exists = true;
    long long pixel = seen(w, Pixel::of(row / taps, w.outHeight, w.outWidth, w.height * w.width), tap / w.kernel, tap % w.kernel,
                           exists);
    Chunk<WIDTH> chunk{};
    if (exists) chunk = loadChunk<WIDTH>(x + pixel * w.channels + c);
    storeChunk(p + row / taps * stride + tap * w.channels + c, chunk);
  });
}

template <class T>
__device__ void patchesBackward(const T* dp, int stride, T* dx, ConvWindow w, long long rows, int accumulate) {
  int taps = w.kernel * w.kernel;
  bool wide = w.channels % 8 == 0 && stride % 8 == 0 && isAligned16(dp) && isAligned16(dx);
  forChannels(rows, w.channels, wide, [&](auto width, long long row, int c) {
    constexpr int WIDTH = decltype(width)::value;
    Pixel pixel = Pixel::of(row, w.height, w.width, w.outHeight * w.outWidth);
    Chunk<WIDTH> sum{};
    for (int tap = 0; tap < taps; tap++) {
      bool exists = true;
      long long out = seer(w, pixel, tap / w.kernel, tap % w.kernel, exists);
      if (!exists) continue;
      auto d = loadChunk<WIDTH>(dp + out * stride + tap * w.channels + c);
#pragma unroll
      for (int i = 0; i < WIDTH; i++) sum.at[i] += d.at[i];
    }
    T* to = dx + row * w.channels + c;
    if (accumulate) {
      auto before = loadChunk<WIDTH>(to);
#pragma unroll
      for (int i = 0; i < WIDTH; i++) sum.at[i] += before.at[i];
    }
    storeChunk(to, sum);
  });
}

template <class T>
__device__ void maxPool(const T* x, T* y, int* taps, ConvWindow w, long long outRows) {
  bool wide = w.channels % 8 == 0 && isAligned16(x) && isAligned16(y);
  forChannels(outRows, w.channels, wide, [&](auto width, long long row, int c) {
    constexpr int WIDTH = decltype(width)::value;
    Pixel out = Pixel::of(row, w.outHeight, w.outWidth, w.height * w.width);
    Chunk<WIDTH> most{};
    int at[WIDTH] = {};
    bool first = true;
    for (int tap = 0; tap < w.kernel * w.kernel; tap++) {
      bool exists = true;
      long long pixel = seen(w, out, tap / w.kernel, tap % w.kernel, exists);
      if (!exists) continue;
      auto v = loadChunk<WIDTH>(x + pixel * w.channels + c);
#pragma unroll
      for (int i = 0; i < WIDTH; i++) {
        // What is not a number stays one, so that a run that diverges shows it.
        if (first || v.at[i] > most.at[i] || v.at[i] != v.at[i]) {
          most.at[i] = v.at[i];
          at[i] = tap;
        }
      }
      first = false;
    }
    storeChunk(y + row * w.channels + c, most);
#pragma unroll
    for (int i = 0; i < WIDTH; i++) taps[row * w.channels + c + i] = at[i];
  });
}

template <class T>
__device__ void maxPoolBackward(const T* dy, const int* taps, T* dx, ConvWindow w, long long rows) {
  bool wide = w.channels % 8 == 0 && isAligned16(dy) && isAligned16(dx);
  forChannels(rows, w.channels, wide, [&](auto width, long long row, int c) {
    constexpr int WIDTH = decltype(width)::value;
    Pixel pixel = Pixel::of(row, w.height, w.width, w.outHeight * w.outWidth);
    Chunk<WIDTH> sum{};
    for (int tap = 0; tap < w.kernel * w.kernel; tap++) {
      bool exists = true;
      long long out = seer(w, pixel, tap / w.kernel, tap % w.kernel, exists);
      if (!exists) continue;
      auto d = loadChunk<WIDTH>(dy + out * w.channels + c);
#pragma unroll
      for (int i = 0; i < WIDTH; i++) sum.at[i] += taps[out * w.channels + c + i] == tap ? d.at[i] : 0.0f;
    }
    storeChunk(dx + row * w.channels + c, sum);
  });
}

}  // namespace window

#define WINDOW_ENTRIES(suffix, T)                                                                                     \
  extern "C" __global__ void patches_##suffix(const T* x, T* p, int stride, ConvWindow w, long long outRows) {        \
    window::patches(x, p, stride, w, outRows);                                                                        \
  }                                                                                                                   \
  extern "C" __global__ void patches_backward_##suffix(const T* dp, int stride, T* dx, ConvWindow w, long long rows,  \
                                                       int accumulate) {                                              \
    window::patchesBackward(dp, stride, dx, w, rows, accumulate);                                                     \
  }                                                                                                                   \
  extern "C" __global__ void max_pool_##suffix(const T* x, T* y, int* taps, ConvWindow w, long long outRows) {        \
    window::maxPool(x, y, taps, w, outRows);                                                                          \
  }                                                                                                                   \
  extern "C" __global__ void max_pool_backward_##suffix(const T* dy, const int* taps, T* dx, ConvWindow w,            \
                                                        long long rows) {                                             \
    window::maxPoolBackward(dy, taps, dx, w, rows);                                                                   \
  }

extern "C" __global__ void pad_columns_bf16(const bf16* from, int columns, bf16* to, int stride, long long rows) {
  long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x, threads = (long long)gridDim.x * blockDim.x;
  for (long long i = thread; i < rows * stride; i += threads) {
    int column = int(i % stride);
    to[i] = column < columns ? from[i / stride * columns + column] : fromFloat<bf16>(0.0f);
  }
}

extern "C" __global__ void add_columns_f32(const float* from, int stride, float* to, int columns, long long rows) {
  long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x, threads = (long long)gridDim.x * blockDim.x;
  for (long long i = thread; i < rows * columns; i += threads) to[i] += from[i / columns * stride + i % columns];
}

WINDOW_ENTRIES(f32, float)
WINDOW_ENTRIES(bf16, bf16)
