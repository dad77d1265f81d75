// What the checks of windows over images share: shapes, and a walk over all that a window sees.
#pragma once

#include <string>
#include <vector>

#include "common/launch.cuh"
#include "gemm/conv.cuh"
#include "test/check.h"

namespace conv_check {

struct Shape {
  int images, height, width, channels, out, kernel, stride, padding;

  int outHeight() const { return (height + 2 * padding - kernel) / stride + 1; }
  int outWidth() const { return (width + 2 * padding - kernel) / stride + 1; }
  int rows() const { return images * height * width; }
  int outRows() const { return images * outHeight() * outWidth(); }
  int taps() const { return kernel * kernel; }
  int patch() const { return taps() * channels; }
  ConvWindow window() const {
    return {height, width, channels, kernel, stride, padding, outHeight(), outWidth()};
  }
  std::string text() const {
    std::string all;
    for (int n : {images, height, width, channels, out, kernel, stride, padding}) all += (all.empty() ? "(" : ", ") + std::to_string(n);
    return all + ")";
  }
};

// Calls body(row of the output, place in the window, row of the input) for all that is not past an edge.
template <class Body>
void forEachSeen(const Shape& s, Body body) {
  for (int out = 0; out < s.outRows(); out++)
    for (int tap = 0; tap < s.taps(); tap++) {
      int image = out / (s.outHeight() * s.outWidth());
      int y = out / s.outWidth() % s.outHeight() * s.stride - s.padding + tap / s.kernel;
      int x = out % s.outWidth() * s.stride - s.padding + tap % s.kernel;
      if (y >= 0 && y < s.height && x >= 0 && x < s.width) body(out, tap, (image * s.height + y) * s.width + x);
    }
}

}  // namespace conv_check
