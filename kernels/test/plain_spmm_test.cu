// Checks of sparse/plain_spmm.cu against plain products in double.
#include "sparse/plain_spmm.cu"

#include "test/sparse_check.h"

namespace {

using namespace sparse_check;

const Case PLAIN[] = {{1, 1, 1, 1, 1, 1, 0},         {3, 5, 7, 3, 1, 7, 0},          {63, 63, 255, 9, 1, 255, 0},
                      {65, 65, 257, 100, 1, 257, 4}, {64, 64, 256, 13, 1, 128, 0},   {129, 257, 130, 20, 1, 130, 3},
                      {70, 260, 600, 60, 1, 600, 0}, {9, 40, 512, 7, 1, 128, 5},     {130, 48, 64, 64, 1, 64, 0},
                      {20, 96, 300, 30, 4, 300, 2},  {17, 128, 70, 5, 64, 70, 2},  {100, 768, 768, 77, 1, 768, 0}};
const Case SHARED[] = {{1, 4, 1, 1, 4, 1, 0}, {63, 60, 257, 20, 4, 257, 3}, {66, 260, 520, 52, 4, 520, 0}, {130, 264, 48, 48, 4, 48, 4},
                       {100, 768, 768, 77, 4, 768, 0}};

struct Tile {
  const char* name;
  void (*kernel)(GemmArguments, const bf16*, long long, const int*, const uint4*, int);
  int rows, batch, threads, bytes;
};
template <class P>
Tile tileOf(const char* name, decltype(Tile::kernel) kernel) {
  return {name, kernel, P::ROWS, P::BATCH, P::THREADS, P::SHARED_BYTES};
}

// A view of a weight with its values, on the device.
struct Walked {
  sparse_weight::Walk view;
  device::Buffer<int> starts;
  device::Buffer<uint4> entries;

  Walked(const sparse_weight::Walk& view, int sharedRows, const std::vector<bf16>& values, int fanIn)
      : view(view), starts(view.starts), entries((view.steps() + sliced::MOST_AHEAD) * 4) {
    device::Buffer<bf16> V(values);
    device::Buffer<unsigned char> places(view.places);
    device::Buffer<int> sources(view.sources);
    if (view.entries() == 0) return;
    if (sharedRows == 1)
      device::launch(plain_pack_bf16, 3, 64, 0, V, places, sources, reinterpret_cast<unsigned*>(entries.data()), view.entries());
    else device::launch(shared_pack_bf16, 3, 64, 0, V, places, sources, entries, view.entries(), fanIn);
  }

  void multiply(const Tile& tile, const GemmArguments& g, const bf16* xt) const {
    int grid = (view.rows + tile.rows - 1) / tile.rows * ((g.m + tile.batch - 1) / tile.batch);
    device::launch(tile.kernel, grid, tile.threads, tile.bytes, g, xt, strideOf(g.m), starts, entries, view.columns);
  }
};

void checkForward(test::Check& check, const Case& c, int sharedRows, const Tile& tile) {
  if (size_t(tile.bytes) > device::mostSharedBytes()) return;
  Pattern p = draw(check, c);
  auto x = check.normal<bf16>(size_t(c.batch) * c.columns), values = check.normal<bf16>(p.nonZeros());
  device::Buffer<bf16> Xt(transposed(x, c.batch, c.columns)), Y(size_t(c.batch) * c.rows);
  Walked w(sparse_weight::byRows(p, sharedRows), sharedRows, values, p.fanIn);
  w.multiply(tile, plainOutput(Y, c.batch, c.rows), Xt);
  check.near(tile.name + (", " + name(c, p)), Y.toHost(), forward(p, x, values, c.batch), gemm_check::absoluteTolerance(p.fanIn),
             0.0040);
}

void checkInputGradient(test::Check& check, const Case& c, const Tile& tile) {
  if (size_t(tile.bytes) > device::mostSharedBytes()) return;
  Pattern p = draw(check, c);
  auto dy = check.normal<bf16>(size_t(c.batch) * c.rows), values = check.normal<bf16>(p.nonZeros());
  device::Buffer<bf16> Dyt(transposed(dy, c.batch, c.rows)), Dx(size_t(c.batch) * c.columns);
  Walked w(sparse_weight::byColumns(p), 1, values, p.fanIn);
  w.multiply(tile, plainOutput(Dx, c.batch, c.columns), Dyt);
  check.near(tile.name + (", " + name(c, p)), Dx.toHost(), inputGradient(p, dy, values, c.batch),
             gemm_check::absoluteTolerance(c.rows), 0.0040);
}

const Tile NT[] = {tileOf<PlainLarge>("nt 256x128", plain_spmm_nt_bf16_256x128), tileOf<PlainSmall>("nt 32x64", plain_spmm_nt_bf16_32x64)};
const Tile NN[] = {tileOf<PlainLarge>("nn 256x128", plain_spmm_nn_bf16_256x128), tileOf<PlainSmall>("nn 32x64", plain_spmm_nn_bf16_32x64)};
const Tile SHARED_NT[] = {tileOf<SharedLarge>("shared nt 256x128", shared_spmm_nt_bf16_256x128),
                          tileOf<SharedSmall>("shared nt 128x64", shared_spmm_nt_bf16_128x64)};

SPARROW_CHECK(plain_spmm, nt_equals_the_masked_product) {
  for (const Tile& tile : NT)
    for (const Case& c : PLAIN) checkForward(check, c, 1, tile);
}

SPARROW_CHECK(plain_spmm, nn_equals_the_masked_product) {
  for (const Tile& tile : NN)
    for (const Case& c : PLAIN) checkInputGradient(check, c, tile);
}

SPARROW_CHECK(plain_spmm, shared_nt_equals_the_masked_product) {
  for (const Tile& tile : SHARED_NT)
    for (const Case& c : SHARED) checkForward(check, c, 4, tile);
}

SPARROW_CHECK(plain_spmm, products_do_on_their_way_out_what_dense_ones_do) {
  const Case c = {37, 72, 61, 9, 4, 61, 3};
  Pattern p = draw(check, c);
  auto x = check.normal<bf16>(size_t(c.batch) * c.columns), dy = check.normal<bf16>(size_t(c.batch) * c.rows);
  auto values = check.normal<bf16>(p.nonZeros());
  device::Buffer<bf16> Xt(transposed(x, c.batch, c.columns)), Dyt(transposed(dy, c.batch, c.rows));
  Walked rows(sparse_weight::byRows(p, 1), 1, values, p.fanIn), fours(sparse_weight::byRows(p, 4), 4, values, p.fanIn);
  Walked columns(sparse_weight::byColumns(p), 1, values, p.fanIn);
  auto y = forward(p, x, values, c.batch), dx = inputGradient(p, dy, values, c.batch);
  checkEpilogues(check, "nt", true, y, c.batch, c.rows, [&](const GemmArguments& g) { rows.multiply(NT[1], g, Xt); });
  checkEpilogues(check, "shared nt", true, y, c.batch, c.rows, [&](const GemmArguments& g) { fours.multiply(SHARED_NT[1], g, Xt); });
  checkEpilogues(check, "nn", false, dx, c.batch, c.columns, [&](const GemmArguments& g) { columns.multiply(NN[1], g, Dyt); });
}

}  // namespace
