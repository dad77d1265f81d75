// Checks of gemm/conv.cu against double arithmetic.
#include "gemm/conv.cu"

#include "test/conv_check.h"
#include "test/gemm_check.h"

using conv_check::forEachSeen;
using conv_check::Shape;

namespace {

using Kernel = void (*)(GemmArguments, ConvWindow);

struct Entry {
  const char* name;
  Kernel kernel;
  int threads;
  size_t sharedBytes;
};

template <class Config>
Entry entry(const char* name, Kernel kernel) {
  return {name, kernel, Config::THREADS, Config::SHARED_BYTES};
}

const Entry FORWARD[] = {entry<conv::Large>("forward 128x128", conv_forward_bf16_128x128x32),
                         entry<conv::Small>("forward 64x64", conv_forward_bf16_64x64x32)};
const Entry INPUT[] = {entry<conv::Large>("backward input 128x128", conv_backward_input_bf16_128x128x32),
                       entry<conv::Small>("backward input 64x64", conv_backward_input_bf16_64x64x32)};
const Entry WEIGHT[] = {entry<conv::Large>("backward weight 128x128", conv_backward_weight_f32_128x128x32),
                        entry<conv::Small>("backward weight 64x64", conv_backward_weight_f32_64x64x32)};

// One pixel, odd sizes, windows past every edge, strides, one place alone, around a tile's rows, columns and depth.
const Shape SHAPES[] = {{1, 1, 1, 8, 8, 3, 1, 1},    {2, 5, 7, 8, 16, 3, 2, 1},  {1, 8, 8, 24, 64, 3, 1, 1},
                        {3, 7, 6, 64, 72, 1, 2, 0},  {1, 11, 12, 16, 136, 3, 1, 1}, {2, 9, 8, 8, 24, 5, 2, 2},
                        {1, 13, 5, 40, 8, 3, 3, 0},  {3, 6, 11, 32, 8, 2, 2, 0}};

// Operands, and what double arithmetic makes of them.
struct Case {
  Shape s;
  std::vector<bf16> x, w, dy;
  std::vector<double> y, dx, dw;

  Case(test::Check& check, const Shape& s)
      : s(s), x(check.normal<bf16>(size_t(s.rows()) * s.channels)), w(check.normal<bf16>(size_t(s.out) * s.patch())),
        dy(check.normal<bf16>(size_t(s.outRows()) * s.out)), y(dy.size()), dx(x.size()), dw(w.size()) {
    forEachSeen(s, [&](int out, int tap, int in) {
      for (int o = 0; o < s.out; o++)
        for (int c = 0; c < s.channels; c++) {
          size_t at = size_t(o) * s.patch() + tap * s.channels + c, from = size_t(in) * s.channels + c, to = size_t(out) * s.out + o;
          y[to] += double(toFloat(x[from])) * toFloat(w[at]);
          dx[from] += double(toFloat(dy[to])) * toFloat(w[at]);
          dw[at] += double(toFloat(dy[to])) * toFloat(x[from]);
        }
    });
  }
};

GemmArguments arguments(const bf16* a, int strideA, const bf16* b, int strideB, void* c, int m, int n, int k) {
  GemmArguments g = {};
  g.a = a, g.b = b, g.c = c;
  g.strideA = strideA, g.strideB = strideB, g.strideC = n;
  g.m = m, g.n = n, g.k = k;
  g.groups = 1;
  return g;
}

std::string describe(const Entry& e, const Shape& s) { return std::string(e.name) + " " + s.text(); }

}  // namespace

SPARROW_CHECK(conv, forward) {
  for (const Shape& s : SHAPES) {
    Case c(check, s);
    device::Buffer<bf16> X(c.x), W(c.w);
    for (const Entry& e : FORWARD) {
      device::Buffer<bf16> Y(c.y.size());
      GemmArguments g = arguments(X, s.channels, W, s.patch(), Y.data(), s.outRows(), s.out, s.patch());
      device::launch(e.kernel, 3, e.threads, e.sharedBytes, g, s.window());
      check.near(describe(e, s), Y.toHost(), c.y, gemm_check::absoluteTolerance(s.patch()), gemm_check::relativeTolerance<bf16>());
    }
  }
}

SPARROW_CHECK(conv, backward_input) {
  for (const Shape& s : SHAPES) {
    Case c(check, s);
    device::Buffer<bf16> DY(c.dy), W(c.w);
    for (const Entry& e : INPUT)
      for (bool accumulate : {false, true}) {
        auto before = check.normal<bf16>(c.dx.size());
        device::Buffer<bf16> DX(before);
        if (!accumulate) DX.poison();
        for (int first = 0; first < s.stride * s.stride; first++) {
          if (first / s.stride >= s.height || first % s.stride >= s.width) continue;
          ConvWindow window = s.window().with(first / s.stride, first % s.stride);
          const Lattice& lattice = window.lattice;
          int pixels = s.images * lattice.height * lattice.width;
          GemmArguments g = arguments(DY, s.out, W, s.patch(), DX.data(), pixels, s.channels, lattice.taps() * s.out);
          g.accumulate = accumulate;
          device::launch(e.kernel, 3, e.threads, e.sharedBytes, g, window);
        }
        auto expected = c.dx;
        for (size_t i = 0; i < expected.size() && accumulate; i++) expected[i] += toFloat(before[i]);
        check.near(describe(e, s), DX.toHost(), expected, gemm_check::absoluteTolerance(s.taps() * s.out), gemm_check::relativeTolerance<bf16>());
      }
  }
}

SPARROW_CHECK(conv, parts_of_the_filters_gradient_add_up) {
  for (const Shape& s : SHAPES) {
    Case c(check, s);
    device::Buffer<bf16> DY(c.dy), X(c.x);
    for (const Entry& e : WEIGHT)
      for (int parts : {1, 3}) {
        device::Buffer<float> DW(parts * c.dw.size());
        GemmArguments g = arguments(DY, s.out, X, s.channels, DW.data(), s.out, s.patch(), s.outRows());
        g.groups = parts;
        g.groupStrideC = (long long)c.dw.size();
        device::launch(e.kernel, 3, e.threads, e.sharedBytes, g, s.window());
        std::vector<float> shares = DW.toHost();
        std::vector<double> sum(c.dw.size());
        for (size_t i = 0; i < shares.size(); i++) sum[i % sum.size()] += shares[i];
        check.near(describe(e, s), sum, c.dw, gemm_check::absoluteTolerance(s.outRows()), 2e-6);
      }
  }
}

SPARROW_CHECK(conv, the_number_of_blocks_changes_no_bit) {
  Shape s = {2, 9, 9, 16, 72, 3, 1, 1};
  Case c(check, s);
  device::Buffer<bf16> X(c.x), W(c.w);
  std::vector<bf16> first;
  for (int blocks : {1, 4, 9}) {
    device::Buffer<bf16> Y(c.y.size());
    GemmArguments g = arguments(X, s.channels, W, s.patch(), Y.data(), s.outRows(), s.out, s.patch());
    device::launch(FORWARD[1].kernel, blocks, FORWARD[1].threads, FORWARD[1].sharedBytes, g, s.window());
    if (first.empty()) first = Y.toHost();
    else check.identical("blocks " + std::to_string(blocks), Y.toHost(), first);
  }
}
