// What the convolutions share: the window, and the tiles of patches that a block reads out of images.
#pragma once

#include "gemm/mma_product.cuh"

// The input pixels in every stride-th line and column from a first one on: the same places of a window see them all, every
// stride-th, and no others do. So the gradients of a lattice are a product of those places alone.
struct Lattice {
  int firstY, firstX;
  int height, width;          // pixels of an image
  int firstTapY, firstTapX;   // places that see them, from these on
  int tapsY, tapsX;           // how many
  int aheadY, aheadX;         // what the window's number at the first place is ahead of the pixel's within the lattice

  int taps() const { return tapsY * tapsX; }
};

// Images lie as (images·height·width, channels), a filter as (kernel, kernel, channels); see backend/ConvShape.
struct ConvWindow {
  int height, width, channels, kernel, stride, padding, outHeight, outWidth;
  Lattice lattice = {};  // of the input's gradient alone

  // The same with a lattice; firstY and firstX are below the stride and in the image.
  ConvWindow with(int firstY, int firstX) const {
    auto along = [&](int size, int first) { return (size - first + stride - 1) / stride; };
    auto places = [&](int tap) { return tap < kernel ? along(kernel, tap) : 0; };
    int y = firstY + padding, x = firstX + padding;
    ConvWindow w = *this;
    w.lattice = {firstY,     firstX,     along(height, firstY), along(width, firstX), y % stride,
                 x % stride, places(y % stride), places(x % stride), y / stride, x / stride};
    return w;
  }
};

// g is the product that the convolution is: its a or b is not a matrix but the images that patches are read from. Sizes,
// the epilogue and its alignment are those of a GEMM; channels and filters are multiples of 8, so that no 16 bytes of a patch
// belong to two places of the window.
struct ConvArguments {
  const GemmArguments& g;
  const ConvWindow& window;
};

// A pixel of the images: the row that its image begins at, line and column.
struct Pixel {
  long long image;
  int y, x;

  // Number row of images of height by width, each of which begins at imageRows times its number.
  __device__ static Pixel of(long long row, int height, int width, int imageRows) {
    unsigned line = unsigned(row) / unsigned(width), image = line / unsigned(height);
    return {(long long)image * imageRows, int(line - image * height), int(unsigned(row) - line * width)};
  }
};

// What an output pixel's window sees at one of its places.
__device__ __forceinline__ long long seen(const ConvWindow& w, const Pixel& out, int ky, int kx, bool& exists) {
  int y = out.y * w.stride - w.padding + ky, x = out.x * w.stride - w.padding + kx;
  exists = exists && unsigned(y) < unsigned(w.height) && unsigned(x) < unsigned(w.width);
  return out.image + (long long)y * w.width + x;
}

// The output pixel whose window sees an input pixel at one of its places.
__device__ __forceinline__ long long seer(const ConvWindow& w, const Pixel& in, int ky, int kx, bool& exists) {
  int top = in.y + w.padding - ky, left = in.x + w.padding - kx, y = top / w.stride, x = left / w.stride;
  exists = exists && top >= 0 && left >= 0 && y * w.stride == top && x * w.stride == left && y < w.outHeight && x < w.outWidth;
  return in.image + (long long)y * w.outWidth + x;
}

// The same of a lattice's pixel and one of the lattice's places.
__device__ __forceinline__ long long seerOfLattice(const ConvWindow& w, const Pixel& in, int placeY, int placeX, bool& exists) {
  int y = in.y + w.lattice.aheadY - placeY, x = in.x + w.lattice.aheadX - placeX;
  exists = exists && unsigned(y) < unsigned(w.outHeight) && unsigned(x) < unsigned(w.outWidth);
  return in.image + (long long)y * w.outWidth + x;
}

// A tile (EDGE pixels, DEPTH of their patches) as the left operand of a product; each thread keeps to one chunk of 8 steps
// and to its pixels, which it finds once a tile.
template <class Config, bool TRANSPOSED>
struct PatchRows {
  using Tile = OperandTile<Config::ROWS, Config::DEPTH, true>;
  static constexpr int COUNT = Tile::ROWS * Tile::CHUNKS / Config::THREADS, STEP = Config::THREADS / Tile::CHUNKS;
  static_assert(Config::THREADS % Tile::CHUNKS == 0 && Tile::ROWS % STEP == 0, "a thread keeps to one chunk");
  Pixel pixels[COUNT];
  bool there[COUNT];

  __device__ void find(const ConvWindow& w, const GemmTask& task) {
    int pixelsOfImage = w.height * w.width, places = w.outHeight * w.outWidth;
#pragma unroll
    for (int n = 0; n < COUNT; n++) {
      int row = threadIdx.x / Tile::CHUNKS + n * STEP;
      there[n] = row < task.rows;
      pixels[n] = TRANSPOSED ? Pixel::of(task.row + row, w.lattice.height, w.lattice.width, places)
                             : Pixel::of(task.row + row, w.outHeight, w.outWidth, pixelsOfImage);
    }
  }

  // Steps from on, of depth = places · columns: columns of from's rows are those of one place.
  __device__ void load(bf16* tile, const ConvWindow& w, const bf16* from, int columns, int first, int depth) const {
    int chunk = threadIdx.x % Tile::CHUNKS, at = first + chunk * 8;
    int across = TRANSPOSED ? w.lattice.tapsX : w.kernel;
    int tap = at / columns, column = at - tap * columns, ky = tap / across, kx = tap - ky * across;
#pragma unroll
    for (int n = 0; n < COUNT; n++) {
      bool exists = there[n] && at < depth;
      long long row = TRANSPOSED ? seerOfLattice(w, pixels[n], ky, kx, exists) : seen(w, pixels[n], ky, kx, exists);
      ptx::cpAsync16(tile + Tile::at(threadIdx.x / Tile::CHUNKS + n * STEP, chunk),
                     exists ? from + row * columns + column : from, exists);
    }
  }
};
