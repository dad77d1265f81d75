// Memory-bound kernels over rows of activations: norms, nonlinearities, element-wise operations, cross-entropy, sums. bf16, as
// gpu-core launches them.
#pragma once

#include "nn/activation.cu"
#include "nn/cross_entropy.cu"
#include "nn/elementwise.cu"
#include "nn/norm.cu"
#include "nn/sums.cu"

#include <random>

#include "bench/memory_bound.h"

namespace bench {

// to (n) += the sum of so many partial sums, stride apart.
inline void addPartials(const float* partials, float* to, int count, long long stride, long long n) {
  device::enqueue(add_partials_f32, int((n + 31) / 32), THREADS, 0, partials, to, count, stride, n);
}

// The backwards add to dx, since a residual's gradient is there already.
inline void norms(MemoryBound& m, int rows, int columns) {
  size_t n = size_t(rows) * columns;
  int grid = blocks(rows, 1), threads = threadsOfRow(columns), backwardGrid = std::min(rows, 4 * device::multiprocessors());
  size_t rowBytes = columns * sizeof(float);
  Normal<bf16> x(n), dy(n), weight(columns), bias(columns);
  device::Buffer<bf16> y(n);
  Zeros<bf16> dx(n);
  device::Buffer<float> mean(rows), rstd(rows), partials(2 * size_t(backwardGrid) * columns);
  Zeros<float> dweight(columns), dbias(columns);
  double forward = 4.0 * double(n), backward = 8.0 * double(n);  // x, y;  dy, x, dx twice
  // Whichever cases are wanted: the backwards need the statistics.
  device::enqueue(layer_norm_bf16, grid, threads, 0, x, weight, bias, y, mean, rstd, rows, columns, 1e-5f);
  m.add({"layer_norm" + sizes(rows, columns), "layer_norm_bf16", forward + 8.0 * rows, [&] {
           device::enqueue(layer_norm_bf16, grid, threads, 0, x, weight, bias, y, mean, rstd, rows, columns, 1e-5f);
         }}, y, mean, rstd);
  m.add({"layer_norm_backward" + sizes(rows, columns), "layer_norm_backward_bf16", backward + 8.0 * rows, [&] {
           device::enqueue(layer_norm_backward_bf16, backwardGrid, threads, 2 * rowBytes, dy, x, weight, mean, rstd, 1, dx,
                           partials, rows, columns);
           addPartials(partials, dweight, backwardGrid, 2ll * columns, columns);
           addPartials(partials + columns, dbias, backwardGrid, 2ll * columns, columns);
         }}, dx, dweight, dbias);
  m.add({"rms_norm" + sizes(rows, columns), "rms_norm_bf16", forward + 4.0 * rows, [&] {
           device::enqueue(rms_norm_bf16, grid, threads, 0, x, weight, y, rstd, rows, columns, 1e-5f);
         }}, y, rstd);
  m.add({"rms_norm_backward" + sizes(rows, columns), "rms_norm_backward_bf16", backward + 4.0 * rows, [&] {
           device::enqueue(rms_norm_backward_bf16, backwardGrid, threads, rowBytes, dy, x, weight, rstd, 1, dx, partials, rows,
                           columns);
           addPartials(partials, dweight, backwardGrid, columns, columns);
         }}, dx, dweight);
}

inline void activations(MemoryBound& m, int rows, int columns) {
  size_t n = size_t(rows) * columns;
  long long count = (long long)n;
  Normal<bf16> x(n), up(n), dy(n);
  device::Buffer<bf16> y(n), dx(n), dup(n);
  double bytes = 2.0 * double(n);  // of one of them
  struct Named {
    const char* name;
    void (*forward)(const bf16*, bf16*, long long);
    void (*backward)(const bf16*, const bf16*, bf16*, long long);
  };
  for (const Named& f : {Named{"gelu", gelu_bf16, gelu_backward_bf16}, Named{"gelu_tanh", gelu_tanh_bf16, gelu_tanh_backward_bf16},
                         Named{"silu", silu_bf16, silu_backward_bf16}, Named{"relu", relu_bf16, relu_backward_bf16}}) {
    std::string name = f.name;
    m.add({name + sizes(rows, columns), name + "_bf16", 2 * bytes, [&] { overElements(f.forward, count, x, y, count); }}, y);
    m.add({name + "_backward" + sizes(rows, columns), name + "_backward_bf16", 3 * bytes, [&] {
             overElements(f.backward, count, x, dy, dx, count);
           }}, dx);
  }
  m.add({"gated_silu" + sizes(rows, columns), "gated_silu_bf16", 3 * bytes, [&] {
           overElements(gated_silu_bf16, count, x, up, y, count);
         }}, y);
  m.add({"gated_silu_backward" + sizes(rows, columns), "gated_silu_backward_bf16", 5 * bytes, [&] {
           overElements(gated_silu_backward_bf16, count, x, up, dy, dx, dup, count);
         }}, dx, dup);
}

inline void elementwiseOperations(MemoryBound& m, int rows, int columns) {
  size_t n = size_t(rows) * columns;
  long long count = (long long)n;
  Normal<bf16> a(n), b(n);
  Normal<float> full(n);
  device::Buffer<bf16> out(n);
  device::Buffer<float> fullOut(n);
  Zeros<bf16> sum(n);
  Zeros<unsigned long long> firstToken(1);
  double bytes = 2.0 * double(n);
  std::string shape = sizes(rows, columns);
  m.add({"add" + shape, "add_bf16", 3 * bytes, [&] { overElements(add_bf16, count, a, b, out, count); }}, out);
  m.add({"axpy" + shape, "axpy_bf16", 3 * bytes, [&] { overElements(axpy_bf16, count, 0.5f, a, sum, count); }}, sum);
  m.add({"scale" + shape, "scale_bf16", 2 * bytes, [&] { overElements(scale_bf16, count, 0.5f, a, out, count); }}, out);
  m.add({"fill" + shape, "fill_bf16", bytes, [&] { overElements(fill_bf16, count, 0.5f, out, count); }}, out);
  m.add({"convert f32 to bf16" + shape, "convert_f32_bf16", 3 * bytes, [&] {
           overElements(convert_f32_bf16, count, full, out, count);
         }}, out);
  m.add({"convert bf16 to f32" + shape, "convert_bf16_f32", 3 * bytes, [&] {
           overElements(convert_bf16_f32, count, a, fullOut, count);
         }}, fullOut);
  m.add({"dropout" + shape, "dropout_bf16", 2 * bytes, [&] {
           overElements(dropout_bf16, count, a, 1677722u, 1 / 0.9f, 7ull, 3ull, firstToken, (unsigned long long)columns, out, count);
         }}, out);
}

// classes of the columns exist. The gradient takes the logits' place, so they are put back before each run.
inline void crossEntropy(MemoryBound& m, int rows, int classes, int columns) {
  size_t n = size_t(rows) * columns;
  Normal<bf16> drawn(n);
  device::Buffer<bf16> logits(n);
  std::mt19937 generator(1);
  std::vector<int> drawnTargets(rows);
  for (int& t : drawnTargets) t = int(generator() % unsigned(classes));
  device::Buffer<int> targets(drawnTargets);
  device::Buffer<float> losses(rows);
  int grid = blocks(rows, 1);
  m.add({"cross_entropy" + sizes(rows, classes), "cross_entropy_bf16", 2.0 * rows * classes + 8.0 * rows, [&] {
           device::enqueue(cross_entropy_bf16, grid, THREADS, 0, drawn, targets, losses, rows, classes, columns);
         }}, losses);
  Body restore = [&] { overElements(scale_bf16, (long long)n, 1.0f, drawn, logits, (long long)n); };
  m.add({"cross_entropy_gradient" + sizes(rows, classes), "cross_entropy_gradient_bf16", 4.0 * double(n) + 8.0 * rows, [&] {
           device::enqueue(cross_entropy_gradient_bf16, grid, THREADS, 0, logits, targets, 1.0f / rows, losses, rows, classes,
                           columns);
         }, restore}, logits, losses);
}

// A bias' gradient: the sums of the columns of dy.
inline void biasGradient(MemoryBound& m, int rows, int columns) {
  int parts = (rows + 255) / 256;
  Normal<bf16> dy(size_t(rows) * columns);
  device::Buffer<float> partials(size_t(parts) * columns);
  Zeros<float> dbias(columns);
  m.add({"bias gradient" + sizes(rows, columns), "column_partials_bf16", 2.0 * rows * columns, [&] {
           device::enqueue(column_partials_bf16, dim3((columns + 255) / 256, parts), THREADS, 0, dy, partials, rows, columns);
           addPartials(partials, dbias, parts, columns, columns);
         }}, dbias);
}

// The sum of a batch's losses, in double.
inline void sumOfLosses(MemoryBound& m, long long n) {
  int count = int(std::min(512ll, (n + 16 * THREADS - 1) / (16 * THREADS)));
  Normal<float> x(n);
  device::Buffer<double> partials(count), sum(1);
  m.add({"sum " + std::to_string(n), "partial_sums_f32", 4.0 * double(n), [&] {
           device::enqueue(partial_sums_f32, count, THREADS, 0, x, partials, n);
           device::enqueue(sum_partials_f64, 1, THREADS, 0, partials, count, sum);
         }}, sum);
}

}  // namespace bench
