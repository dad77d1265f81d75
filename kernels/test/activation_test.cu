// Checks of nn/activation.cu against double arithmetic.
#include "nn/activation.cu"

#include "common/launch.cuh"
#include "test/check.h"
#include "test/nonlinearity.h"

using namespace nonlinearity;

namespace {

struct Shape { int n, blocks, threads, offset; };

// One element, odd, around packs of 4 and 8 and a block's share, unaligned, a GPT-2 row of the feed-forward layer.
const Shape SHAPES[] = {{1, 1, 32, 0},   {5, 2, 32, 0},   {7, 1, 32, 0},   {8, 1, 32, 0},    {9, 1, 32, 0},
                        {255, 1, 32, 0}, {256, 1, 32, 0}, {257, 1, 32, 0}, {1001, 2, 64, 3}, {4 * 3072, 3, 128, 0}};

// Normal values, and among them those at which the functions are in danger: 0, both zeros' sides, far left and right.
template <typename T>
std::vector<T> inputs(test::Check& check, size_t n) {
  auto x = check.normal<T>(n, 2.0f);
  const float special[] = {0.0f, -0.0f, 1e-20f, -1e-20f, 5.0f, -5.0f, -12.0f, 30.0f, -100.0f, 100.0f, -1e4f, 1e4f};
  for (size_t i = 0; i < n && i < sizeof special / sizeof *special; i++) x[n - 1 - i] = fromFloat<T>(special[i]);
  return x;
}

template <typename T> std::vector<T> window(const device::Buffer<T>& buffer, const Shape& s) {
  auto all = buffer.toHost();
  return std::vector<T>(all.begin() + s.offset, all.begin() + s.offset + s.n);
}

// bf16 results are off by half a unit of the last of 8 bits, fp32 by the fast exponential, whose argument, up to 20 where it
// matters, is rounded. The slopes cross 0: an absolute part, of the size of the factors' magnitudes (at most 5).
template <typename T> double relative() { return sizeof(T) == 2 ? 0.0040 : 3e-6; }
constexpr double ABSOLUTE = 3e-6;

template <typename T>
struct Entries {
  void (*forward)(const T*, T*, long long);
  void (*backward)(const T*, const T*, T*, long long);
  void (*gated)(const T*, const T*, T*, long long);
  void (*gatedBackward)(const T*, const T*, const T*, T*, T*, long long);
};

template <typename T>
void checkAll(test::Check& check, Entries<T> entries, Value (*f)(double)) {
  for (const Shape& s : SHAPES) {
    int o = s.offset;
    size_t size = o + s.n;
    auto x = inputs<T>(check, size), up = check.normal<T>(size), dy = check.normal<T>(size);
    std::vector<double> y, dx, z, dgate, dup;
    for (size_t i = o; i < size; i++) {
      Value v = f(toFloat(x[i]));
      double u = toFloat(up[i]), d = toFloat(dy[i]);
      y.push_back(v.value);
      dx.push_back(d * v.slope);
      z.push_back(v.value * u);
      dgate.push_back(d * u * v.slope);
      dup.push_back(d * v.value);
    }
    device::Buffer<T> X(x), U(up), D(dy), Y(size), Z(size), DX(size), DG(size), DU(size);
    device::launch(entries.forward, s.blocks, s.threads, 0, X.data() + o, Y.data() + o, s.n);
    device::launch(entries.backward, s.blocks, s.threads, 0, X.data() + o, D.data() + o, DX.data() + o, s.n);
    device::launch(entries.gated, s.blocks, s.threads, 0, X.data() + o, U.data() + o, Z.data() + o, s.n);
    device::launch(entries.gatedBackward, s.blocks, s.threads, 0, X.data() + o, U.data() + o, D.data() + o, DG.data() + o,
                   DU.data() + o, s.n);
    std::string shape = " (" + std::to_string(s.n) + " from " + std::to_string(o) + ")";
    check.near("y" + shape, window(Y, s), y, ABSOLUTE, relative<T>());
    check.near("dx" + shape, window(DX, s), dx, ABSOLUTE, relative<T>());
    check.near("gated y" + shape, window(Z, s), z, ABSOLUTE, relative<T>());
    check.near("dgate" + shape, window(DG, s), dgate, ABSOLUTE, relative<T>());
    check.near("dup" + shape, window(DU, s), dup, ABSOLUTE, relative<T>());

    // In place: the same bits.
    auto outX = window(Y, s), outDx = window(DX, s), outGate = window(DG, s), outUp = window(DU, s);
    device::Buffer<T> inX(x), inDy(dy), inGate(x), inUp(up);
    device::launch(entries.forward, s.blocks, s.threads, 0, inX.data() + o, inX.data() + o, s.n);
    device::launch(entries.backward, s.blocks, s.threads, 0, X.data() + o, inDy.data() + o, inDy.data() + o, s.n);
    device::launch(entries.gatedBackward, s.blocks, s.threads, 0, inGate.data() + o, inUp.data() + o, D.data() + o,
                   inGate.data() + o, inUp.data() + o, s.n);
    check.identical("y in place" + shape, window(inX, s), outX);
    check.identical("dx in place" + shape, window(inDy, s), outDx);
    check.identical("dgate in place" + shape, window(inGate, s), outGate);
    check.identical("dup in place" + shape, window(inUp, s), outUp);
  }
}

#define SPARROW_ACTIVATION_CHECK(name, suffix, T, reference)                                                        \
  SPARROW_CHECK(activation, name##_##suffix) {                                                                      \
    checkAll<T>(check, {name##_##suffix, name##_backward_##suffix, gated_##name##_##suffix,                         \
                        gated_##name##_backward_##suffix},                                                          \
                reference);                                                                                         \
  }
SPARROW_ACTIVATION_CHECK(gelu, f32, float, gelu)
SPARROW_ACTIVATION_CHECK(gelu, bf16, bf16, gelu)
SPARROW_ACTIVATION_CHECK(gelu_tanh, f32, float, geluTanh)
SPARROW_ACTIVATION_CHECK(gelu_tanh, bf16, bf16, geluTanh)
SPARROW_ACTIVATION_CHECK(silu, f32, float, silu)
SPARROW_ACTIVATION_CHECK(silu, bf16, bf16, silu)
SPARROW_ACTIVATION_CHECK(relu, f32, float, relu)
SPARROW_ACTIVATION_CHECK(relu, bf16, bf16, relu)

}  // namespace
