// Checks of sparse/group_scatter.cu and, emulated or on Hopper, sparse/group_scatter_wgmma.cu against plain products in double.
#include "sparse/group_scatter.cu"
#if defined(SPARROW_EMULATE) || defined(SPARROW_HOPPER)
#define SPARROW_GROUP_WGMMA
#include "sparse/group_scatter_wgmma.cu"
#endif

#include "test/sparse_check.h"

namespace {

using namespace sparse_check;

const Case CASES[] = {{1, 8, 1, 1, 8, 1, 0},          {63, 40, 255, 9, 8, 255, 2},   {129, 48, 257, 100, 16, 257, 3},
                      {70, 272, 512, 13, 16, 128, 0}, {128, 64, 64, 64, 64, 64, 0},  {20, 256, 300, 30, 64, 300, 2},
                      {40, 256, 600, 60, 128, 600, 0},  {100, 768, 768, 77, 16, 768, 0}};

// Rows of a list, as many as a group has of them.
int listRowsOf(const Case& c) { return c.groupRows % 64 == 0 ? 64 : c.groupRows % 16 == 0 ? 16 : 8; }

bool hasRoom() { return size_t(GroupScatter<1>::SHARED_BYTES) <= device::mostSharedBytes(); }

struct Lists {
  int listRows;
  sparse_weight::Walk view;
  device::Buffer<int> starts, sources;
  device::Buffer<unsigned char> places;
  device::Buffer<unsigned> fragments;

  Lists(int listRows, const Pattern& p, const std::vector<bf16>& values)
      : listRows(listRows), view(sparse_weight::byLists(p, listRows)), starts(view.starts), sources(view.sources),
        places(view.places), fragments(size_t(view.steps()) * ((listRows + 15) / 16) * 128) {
    device::Buffer<bf16> V(values);
    device::launch(group_scatter_pack_bf16, 3, 64, 0, V, sources, fragments, (long long)fragments.size(), p.fanIn, listRows);
  }

  void multiply(const GemmArguments& g, const bf16* dy) const {
    auto kernel = listRows == 64 ? group_scatter_nn_bf16_64 : group_scatter_nn_bf16_16;
    int grid = (g.n + 255) / 256 * ((g.m + 127) / 128);
    device::launch(kernel, grid, GroupScatter<1>::THREADS, GroupScatter<1>::SHARED_BYTES, g, dy, starts, places, sources,
                   reinterpret_cast<const uint4*>(fragments.data()), view.rows / listRows, listRows);
  }
};

// lists.multiply against the masked product, twice: emulated, the second time in another order of threads.
template <class AnyLists>
void checkProduct(test::Check& check, const std::string& what, const Case& c, const Pattern& p, const AnyLists& lists,
                  const std::vector<bf16>& values) {
  auto dy = check.normal<bf16>(size_t(c.batch) * c.rows);
  device::Buffer<bf16> Dy(dy), Dx(size_t(c.batch) * c.columns);
  lists.multiply(plainOutput(Dx, c.batch, c.columns), Dy);
  check.near(what + ", " + name(c, p), Dx.toHost(), inputGradient(p, dy, values, c.batch), gemm_check::absoluteTolerance(c.rows), 0.0040);
  std::vector<bf16> before = Dx.toHost();
  Dx.poison();
  lists.multiply(plainOutput(Dx, c.batch, c.columns), Dy);
  check.identical("again, " + what + ", " + name(c, p), Dx.toHost(), before);
}

SPARROW_CHECK(group_scatter, nn_equals_the_masked_product) {
  if (!hasRoom()) return;
  for (const Case& c : CASES)
    for (int listRows : {listRowsOf(c), 8}) {
      Pattern p = draw(check, c);
      auto values = check.normal<bf16>(p.nonZeros());
      checkProduct(check, "lists of " + std::to_string(listRows), c, p, Lists(listRows, p, values), values);
    }
}

SPARROW_CHECK(group_scatter, nn_does_on_its_way_out_what_dense_products_do) {
  if (!hasRoom()) return;
  const Case c = {37, 96, 61, 9, 16, 61, 3};
  Pattern p = draw(check, c);
  auto dy = check.normal<bf16>(size_t(c.batch) * c.rows), values = check.normal<bf16>(p.nonZeros());
  device::Buffer<bf16> Dy(dy);
  Lists lists(16, p, values);
  checkEpilogues(check, "nn", false, inputGradient(p, dy, values, c.batch), c.batch, c.columns,
                 [&](const GemmArguments& g) { lists.multiply(g, Dy); });
}

#ifdef SPARROW_GROUP_WGMMA

struct WideLists {
  sparse_weight::Walk view;
  device::Buffer<int> starts, sources;
  device::Buffer<unsigned short> columns;
  device::Buffer<bf16> packed;

  WideLists(const Pattern& p, const std::vector<bf16>& values)
      : view(sparse_weight::byWideLists(p, GroupScatterWgmma::TILE)), starts(view.starts), sources(view.sources),
        columns(view.widePlaces), packed(size_t(view.entries()) * 64) {
    device::Buffer<bf16> V(values);
    device::launch(group_scatter_wgmma_pack_bf16, 3, 64, 0, V, sources, packed, view.entries(), p.fanIn);
  }

  void multiply(const GemmArguments& g, const bf16* dy) const {
    int tiles = (g.n + GroupScatterWgmma::TILE - 1) / GroupScatterWgmma::TILE, grid = (tiles + 1) / 2 * ((g.m + 63) / 64);
    device::launch(group_scatter_wgmma_nn_bf16, grid, GroupScatterWgmma::THREADS, GroupScatterWgmma::SHARED_BYTES, g, dy, starts,
                   columns, packed, view.rows / 64, tiles);
  }
};

// One tile of columns and two, one column more than either, runs of 64 and one more; lists without entries in a tile.
const Case WIDE_CASES[] = {{1, 64, 1, 1, 64, 1, 0},         {63, 128, 303, 9, 64, 303, 2},  {65, 192, 305, 304, 64, 305, 3},
                           {70, 64, 64, 64, 64, 64, 0},     {64, 256, 65, 65, 128, 65, 2},  {129, 320, 609, 61, 64, 609, 0},
                           {20, 1024, 700, 3, 64, 700, 0},  {100, 768, 768, 77, 64, 768, 0}, {33, 128, 1536, 64, 64, 128, 0}};

SPARROW_CHECK(group_scatter, wgmma_nn_equals_the_masked_product) {
  for (const Case& c : WIDE_CASES) {
    Pattern p = draw(check, c);
    auto values = check.normal<bf16>(p.nonZeros());
    checkProduct(check, "wgmma", c, p, WideLists(p, values), values);
  }
}

SPARROW_CHECK(group_scatter, wgmma_nn_does_on_its_way_out_what_dense_products_do) {
  const Case c = {37, 192, 61, 9, 64, 61, 3};
  Pattern p = draw(check, c);
  auto dy = check.normal<bf16>(size_t(c.batch) * c.rows), values = check.normal<bf16>(p.nonZeros());
  device::Buffer<bf16> Dy(dy);
  WideLists lists(p, values);
  checkEpilogues(check, "wgmma nn", false, inputGradient(p, dy, values, c.batch), c.batch, c.columns,
                 [&](const GemmArguments& g) { lists.multiply(g, Dy); });
}

#endif

}  // namespace
