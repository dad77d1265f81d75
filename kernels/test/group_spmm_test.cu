// Checks of sparse/group_spmm.cu against plain products in double.
#include "sparse/group_spmm.cu"

#include "test/sparse_check.h"

namespace {

using namespace sparse_check;

const Case CASES[] = {{1, 8, 1, 1, 8, 1, 0},         {63, 40, 255, 9, 8, 255, 2},   {65, 256, 257, 100, 8, 257, 3},
                      {128, 264, 512, 13, 8, 128, 0}, {129, 16, 64, 64, 16, 64, 0},  {20, 272, 300, 30, 16, 300, 4},
                      {70, 96, 600, 60, 48, 600, 0},  {100, 768, 768, 77, 16, 768, 0}};

struct Tile {
  const char* name;
  void (*kernel)(GemmArguments, const bf16*, long long, const int*, const unsigned char*, const uint2*, int);
  void (*pack)(const bf16*, const int*, unsigned*, long long, int);
  int listRows, rows, batch, threads, bytes;
};
template <class P>
Tile tileOf(const char* name, decltype(Tile::kernel) kernel, decltype(Tile::pack) pack) {
  return {name, kernel, pack, P::LIST_ROWS, P::ROWS, P::BATCH, P::THREADS, P::SHARED_BYTES};
}
const Tile NT[] = {tileOf<EightLarge>("nt 8 256x128", group_spmm_nt_bf16_8_256x128, group_pack_bf16_8),
                   tileOf<EightSmall>("nt 8 64x64", group_spmm_nt_bf16_8_64x64, group_pack_bf16_8),
                   tileOf<SixteenLarge>("nt 16 256x128", group_spmm_nt_bf16_16_256x128, group_pack_bf16_16),
                   tileOf<SixteenSmall>("nt 16 64x64", group_spmm_nt_bf16_16_64x64, group_pack_bf16_16)};

struct Lists {
  sparse_weight::Walk view;
  device::Buffer<int> starts;
  device::Buffer<unsigned char> places;
  device::Buffer<unsigned> fragments;

  Lists(const Tile& tile, const Pattern& p, const std::vector<bf16>& values)
      : view(sparse_weight::byLists(p, tile.listRows)), starts(view.starts), places(view.places),
        fragments(size_t(view.steps()) * 8 * tile.listRows) {
    device::Buffer<bf16> V(values);
    device::Buffer<int> sources(view.sources);
    device::launch(tile.pack, 3, 64, 0, V, sources, fragments, (long long)fragments.size(), p.fanIn);
  }

  void multiply(const Tile& tile, const GemmArguments& g, const bf16* xt) const {
    int grid = (view.rows + tile.rows - 1) / tile.rows * ((g.m + tile.batch - 1) / tile.batch);
    device::launch(tile.kernel, grid, tile.threads, tile.bytes, g, xt, strideOf(g.m), starts, places,
                   reinterpret_cast<const uint2*>(fragments.data()), view.columns);
  }
};

SPARROW_CHECK(group_spmm, nt_equals_the_masked_product) {
  for (const Tile& tile : NT)
    for (const Case& c : CASES) {
      if (c.groupRows % tile.listRows != 0 || size_t(tile.bytes) > device::mostSharedBytes()) continue;
      Pattern p = draw(check, c);
      auto x = check.normal<bf16>(size_t(c.batch) * c.columns), values = check.normal<bf16>(p.nonZeros());
      device::Buffer<bf16> Xt(transposed(x, c.batch, c.columns)), Y(size_t(c.batch) * c.rows);
      Lists(tile, p, values).multiply(tile, plainOutput(Y, c.batch, c.rows), Xt);
      check.near(tile.name + (", " + name(c, p)), Y.toHost(), forward(p, x, values, c.batch),
                 gemm_check::absoluteTolerance(p.fanIn), 0.0040);
    }
}

SPARROW_CHECK(group_spmm, nt_does_on_its_way_out_what_dense_products_do) {
  const Case c = {37, 96, 61, 9, 16, 61, 3};
  Pattern p = draw(check, c);
  auto x = check.normal<bf16>(size_t(c.batch) * c.columns), values = check.normal<bf16>(p.nonZeros());
  device::Buffer<bf16> Xt(transposed(x, c.batch, c.columns));
  for (const Tile& tile : {NT[1], NT[3]}) {
    Lists lists(tile, p, values);
    checkEpilogues(check, tile.name, true, forward(p, x, values, c.batch), c.batch, c.rows,
                   [&](const GemmArguments& g) { lists.multiply(tile, g, Xt); });
  }
}

}  // namespace
