// Checks of sparse/plain_sddmm.cu against plain sums in double.
#include "sparse/plain_sddmm.cu"

#include "test/sparse_check.h"

namespace {

using namespace sparse_check;

const Case PLAIN[] = {{1, 1, 1, 1, 1, 1, 0},        {7, 5, 7, 3, 1, 7, 0},       {127, 63, 255, 9, 1, 255, 0}, {128, 70, 257, 100, 1, 257, 4},
                      {129, 257, 256, 13, 1, 128, 0}, {300, 33, 600, 60, 1, 600, 3}, {20, 96, 300, 30, 4, 300, 2}, {100, 768, 768, 77, 1, 768, 0}};
const Case SHARED[] = {{1, 4, 1, 1, 4, 1, 0}, {130, 60, 257, 20, 4, 257, 3}, {40, 264, 520, 52, 4, 520, 0},
                       {100, 768, 768, 77, 4, 768, 0}};

template <int PER_QUARTER>
void checkGradient(test::Check& check, const Case& c, decltype(plain_sddmm_bf16_f32)* kernel) {
  using Product = PlainSddmm<PER_QUARTER>;
  if (size_t(Product::SHARED_BYTES) > device::mostSharedBytes()) return;
  Pattern p = draw(check, c);
  auto x = check.normal<bf16>(size_t(c.batch) * c.columns), dy = check.normal<bf16>(size_t(c.batch) * c.rows);
  auto old = check.normal<float>(p.nonZeros());
  sparse_weight::Walk view = sparse_weight::byRows(p, PER_QUARTER);
  device::Buffer<bf16> Xt(transposed(x, c.batch, c.columns)), Dyt(transposed(dy, c.batch, c.rows));
  device::Buffer<int> starts(view.starts), sources(view.sources);
  device::Buffer<unsigned char> places(view.places);
  std::vector<double> expected = weightGradient(p, dy, x, c.batch);
  for (size_t i = 0; i < expected.size(); i++) expected[i] += old[i];
  int tiles = (c.columns + 255) / 256, slices = (c.rows / PER_QUARTER + 3) / 4;
  std::vector<float> before;
  for (int slicesPerBlock : {5, 16, 64}) {
    device::Buffer<float> dvalues(old);
    device::launch(kernel, dim3(tiles, (slices + slicesPerBlock - 1) / slicesPerBlock), Product::THREADS, Product::SHARED_BYTES, Xt,
                   Dyt, strideOf(c.batch), starts, places, sources, dvalues, c.rows, c.columns, p.fanIn, slicesPerBlock);
    std::vector<float> found = dvalues.toHost();
    check.near(name(c, p), found, expected, gemm_check::absoluteTolerance(c.batch), 2e-6);
    if (!before.empty()) check.identical(name(c, p) + ", in other blocks", found, before);
    before = found;
  }
}

SPARROW_CHECK(plain_sddmm, single_rows_sum_their_samples) {
  for (const Case& c : PLAIN) checkGradient<1>(check, c, plain_sddmm_bf16_f32);
}

SPARROW_CHECK(plain_sddmm, four_rows_sum_their_samples) {
  for (const Case& c : SHARED) checkGradient<4>(check, c, shared_sddmm_bf16_f32);
}

}  // namespace
