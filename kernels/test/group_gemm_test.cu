// Checks of sparse/group_gemm.cu and, emulated or on Hopper, sparse/group_wgmma.cu against plain products in double.
#include "sparse/group_gemm.cu"
#if defined(SPARROW_EMULATE) || defined(SPARROW_HOPPER)
#include "sparse/group_wgmma.cu"
#endif

#include "test/sparse_check.h"

namespace {

using namespace sparse_check;

using Kernel = void (*)(GemmArguments, const int*, const int*, int, int);
struct Tile { const char* name; Kernel kernel; int threads, bytes, groupRows; };  // groupRows: those of a group are a multiple
template <class Config> Tile tileOf(const char* name, Kernel kernel, int groupRows = 8) {
  return {name, kernel, Config::THREADS, Config::SHARED_BYTES, groupRows};
}

const Tile NT[] = {tileOf<GroupForwardLarge>("nt 256x64", group_gemm_nt_bf16_256x64),
#if defined(SPARROW_EMULATE) || defined(SPARROW_HOPPER)
                   tileOf<GroupWgmmaLarge>("wgmma nt 512x64", group_wgmma_nt_bf16_512x64, 64),
                   tileOf<GroupWgmmaSmall>("wgmma nt 256x64", group_wgmma_nt_bf16_256x64, 64),
#endif
                   tileOf<GroupForwardSmall>("nt 64x64", group_gemm_nt_bf16_64x64)};
const Tile TN[] = {tileOf<GroupGradientLarge>("tn 64x256", group_gemm_tn_f32_64x256),
                   tileOf<GroupGradientNarrow>("tn 16x256", group_gemm_tn_f32_16x256)};

const Case CASES[] = {{1, 8, 1, 1, 8, 1, 0},       {7, 64, 33, 31, 64, 33, 0},    {63, 128, 70, 32, 64, 70, 2}, {64, 48, 257, 33, 16, 257, 3},
                      {65, 24, 256, 9, 8, 128, 2}, {300, 256, 130, 20, 128, 130, 0}, {257, 72, 300, 270, 24, 300, 3}, {40, 160, 512, 100, 80, 512, 0},
                      {100, 768, 768, 77, 64, 768, 0}, {511, 64, 40, 33, 64, 40, 0},  {513, 192, 320, 161, 64, 320, 2}};

struct Weight {
  Pattern p;
  device::Buffer<int> indices, liveOf;
  explicit Weight(const Pattern& p) : p(p), indices(p.indices), liveOf(p.liveOf()) {}

  void launch(const Tile& tile, const GemmArguments& g) const {
    for (int grid : {1, 7}) device::launch(tile.kernel, grid, tile.threads, tile.bytes, g, indices, liveOf, p.groupRows, p.groups());
  }
};

// Values in rows that are a multiple of 8 long.
std::vector<bf16> padded(const std::vector<bf16>& values, const Pattern& p) {
  int stride = gemm_check::padded(p.fanIn);
  device::Buffer<bf16> V(values), result(size_t(p.liveRows()) * stride);
  device::launch(pad_rows_bf16, 3, 64, 0, V, result, p.liveRows(), p.fanIn, stride);
  return result.toHost();
}

SPARROW_CHECK(group_gemm, nt_equals_the_masked_product) {
  for (const Tile& tile : NT)
    for (const Case& c : CASES) {
      if (c.groupRows % tile.groupRows != 0) continue;
      Weight w(draw(check, c));
      auto x = check.normal<bf16>(size_t(c.batch) * c.columns), values = check.normal<bf16>(w.p.nonZeros());
      device::Buffer<bf16> Xt(transposed(x, c.batch, c.columns)), Y(size_t(c.batch) * c.rows);
      device::Buffer<bf16> V(padded(values, w.p));
      GemmArguments g = plainOutput(Y, c.batch, c.rows);
      g.a = Xt, g.b = V, g.strideA = strideOf(c.batch), g.strideB = gemm_check::padded(w.p.fanIn), g.k = w.p.fanIn;
      w.launch(tile, g);
      check.near(tile.name + (", " + name(c, w.p)), Y.toHost(), forward(w.p, x, values, c.batch),
                 gemm_check::absoluteTolerance(w.p.fanIn), 0.0040);
    }
}

SPARROW_CHECK(group_gemm, tn_adds_the_sampled_product) {
  for (const Tile& tile : TN)
    for (const Case& c : CASES) {
      Weight w(draw(check, c));
      auto x = check.normal<bf16>(size_t(c.batch) * c.columns), dy = check.normal<bf16>(size_t(c.batch) * c.rows);
      auto old = check.normal<float>(w.p.nonZeros());
      device::Buffer<bf16> Xt(transposed(x, c.batch, c.columns)), Dy(dy);
      std::vector<double> expected = weightGradient(w.p, dy, x, c.batch);
      for (size_t i = 0; i < expected.size(); i++) expected[i] = 2 * expected[i] + old[i];  // two launches
      device::Buffer<float> dvalues(old);
      GemmArguments g = {};
      g.a = Dy, g.b = Xt, g.c = dvalues, g.strideA = c.rows, g.strideB = strideOf(c.batch), g.strideC = w.p.fanIn;
      g.m = w.p.groupRows, g.n = w.p.fanIn, g.k = c.batch, g.groups = 1, g.accumulate = 1;
      w.launch(tile, g);
      check.near(tile.name + (", " + name(c, w.p)), dvalues.toHost(), expected, 2 * gemm_check::absoluteTolerance(c.batch), 4e-6);
    }
}

SPARROW_CHECK(group_gemm, nt_does_on_its_way_out_what_dense_products_do) {
  const Case c = {37, 192, 61, 9, 64, 61, 3};
  Weight w(draw(check, c));
  auto x = check.normal<bf16>(size_t(c.batch) * c.columns), values = check.normal<bf16>(w.p.nonZeros());
  device::Buffer<bf16> Xt(transposed(x, c.batch, c.columns));
  device::Buffer<bf16> V(padded(values, w.p));
  for (const Tile& tile : NT)
    checkEpilogues(check, tile.name, true, forward(w.p, x, values, c.batch), c.batch, c.rows, [&](GemmArguments g) {
      g.a = Xt, g.b = V, g.strideA = strideOf(c.batch), g.strideB = gemm_check::padded(w.p.fanIn), g.k = w.p.fanIn;
      device::launch(tile.kernel, 3, tile.threads, tile.bytes, g, w.indices, w.liveOf, w.p.groupRows, w.p.groups());
    });
}

}  // namespace
