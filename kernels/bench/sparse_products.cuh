// Products around a uniformly sparse weight as gpu-core queues them (SparseEngines), with the passes that they need before.
#pragma once

#include "sparse/group_gemm.cu"
#include "sparse/group_scatter.cu"
#include "sparse/group_spmm.cu"
#if defined(SPARROW_EMULATE) || defined(SPARROW_HOPPER)
#define SPARROW_GROUP_WGMMA
#include "sparse/group_scatter_wgmma.cu"
#include "sparse/group_wgmma.cu"
#endif
#include "sparse/plain_sddmm.cu"
#include "sparse/plain_spmm.cu"
#include "sparse/transpose.cu"

#include <memory>

#include "bench/data.cuh"
#include "bench/product.cuh"
#include "test/sparse_weight.h"

namespace bench {

using sparse_weight::Pattern;
using sparse_weight::Walk;

// What the products of one batch read and write: x (batch, columns), dy (batch, rows), y as dy, dx as x, dvalues (live rows, fanIn).
struct SparseMemory {
  int batch;
  Normal<bf16> x, dy;
  device::Buffer<bf16> y, dx, xt, dyt;
  Zeros<float> dvalues;

  SparseMemory(const Pattern& p, int batch)
      : batch(batch), x(size_t(batch) * p.columns), dy(size_t(batch) * p.rows), y(dy.size()), dx(x.size()),
        xt(size_t(p.columns) * stride()), dyt(size_t(p.rows) * stride()), dvalues(p.nonZeros()) {}

  long long stride() const { return (batch + 7) / 8 * 8; }
};

// A walk in device memory, with room for its packed values.
struct DeviceWalk {
  long long steps, entries;
  device::Buffer<int> starts, sources;
  device::Buffer<unsigned char> columns;
  device::Buffer<unsigned short> wideColumns;
  device::Buffer<unsigned> packed;

  DeviceWalk(const Walk& w, long long packedWords)
      : steps(w.steps()), entries(w.entries()), starts(w.starts), sources(w.sources), columns(w.places), wideColumns(w.widePlaces),
        packed(packedWords) {}
};

struct SparseBody {
  std::string kernel;
  Body queue;
};

// A weight and its views, those of its format.
class SparseProducts {
 public:
  explicit SparseProducts(const Pattern& p) : p(p), values(p.nonZeros()), indices_(p.indices), liveOf_(p.liveOf()) {
    if (p.groupRows % 8 != 0) {
      shared_ = p.groupRows % 4 == 0 ? 4 : 1;
      rows_ = packed(sparse_weight::byRows(p, shared_));
      columns_ = packed(sparse_weight::byColumns(p));
      return;
    }
    listRows_ = p.groupRows % 64 == 0 ? 64 : p.groupRows % 16 == 0 ? 16 : 8;
    Walk lists = sparse_weight::byLists(p, listRows_);
    if (listRows_ < 64) rows_ = std::make_unique<DeviceWalk>(lists, lists.entries() * listRows_ / 2);
    else padded_ = std::make_unique<device::Buffer<bf16>>(size_t(p.liveRows()) * paddedFanIn());
    columns_ = std::make_unique<DeviceWalk>(lists, lists.entries() * std::max(listRows_, 16) / 2);
#ifdef SPARROW_GROUP_WGMMA
    if (listRows_ < 64) return;
    Walk wide = sparse_weight::byWideLists(p, GroupScatterWgmma::TILE);
    wide_ = std::make_unique<DeviceWalk>(wide, wide.entries() * 32);
#endif
  }

  SparseBody forward(const SparseMemory& m) const {
    GemmArguments g = output(m.y, m.batch, p.rows);
    if (shared_ > 0) {
      auto nt = shared_ == 1 ? plain_spmm_nt_bf16_256x128 : shared_spmm_nt_bf16_256x128;
      auto small = shared_ == 1 ? plain_spmm_nt_bf16_32x64 : shared_spmm_nt_bf16_128x64;
      return walked(shared_ == 1 ? "plain_spmm_nt" : "shared_spmm_nt", nt, small, shared_ == 1 ? 32 : 128, *rows_, shared_, g, m.x,
                    m.xt, p.columns, m.stride());
    }
    return listRows_ == 64 ? groupForward(m) : listForward(g, m);
  }

#ifdef SPARROW_GROUP_WGMMA
  // forward() by the larger tile of group_wgmma.cu that fills the device, up to `most` elements of the batch; of groups of 64.
  SparseBody wgmmaForward(const SparseMemory& m, int most) const {
    int parts = p.groups() * over(p.groupRows, 64), multiprocessors = device::multiprocessors();
    bool large = most >= 512 && parts * over(m.batch, 512) >= multiprocessors;
    if (!large && parts * over(m.batch, 256) < multiprocessors) return groupForward(m);
    GroupTile tile = large ? tileOf<GroupWgmmaLarge>("group_wgmma_nt 512x64", group_wgmma_nt_bf16_512x64, 1)
                           : tileOf<GroupWgmmaSmall>("group_wgmma_nt 256x64", group_wgmma_nt_bf16_256x64, 2);
    tile.count = parts * over(m.batch, large ? 512 : 256);
    return groupForward(tile, m);
  }

  // inputGradient() by group_scatter_wgmma.cu; of groups of 64.
  SparseBody wgmmaInputGradient(const SparseMemory& m) const {
    using Config = GroupScatterWgmma;
    GemmArguments g = output(m.dx, m.batch, p.columns);
    int tiles = over(p.columns, Config::TILE), grid = over(tiles, 2) * over(m.batch, Config::BATCH);
    const DeviceWalk* w = wide_.get();
    bf16* packed = reinterpret_cast<bf16*>(w->packed.data());
    return {"group_scatter_wgmma_nn", [=, &m] {
              overElements(group_scatter_wgmma_pack_bf16, w->entries * 16, values, w->sources, packed, w->entries, p.fanIn);
              device::enqueue(group_scatter_wgmma_nn_bf16, grid, Config::THREADS, Config::SHARED_BYTES, g, m.dy, w->starts,
                              w->wideColumns, packed, p.rows / Config::ROWS, tiles);
            }};
  }
#endif

  SparseBody inputGradient(const SparseMemory& m) const {
    GemmArguments g = output(m.dx, m.batch, p.columns);
    if (shared_ > 0)
      return walked("plain_spmm_nn", plain_spmm_nn_bf16_256x128, plain_spmm_nn_bf16_32x64, 32, *columns_, 1, g, m.dy, m.dyt, p.rows,
                    m.stride());
    auto kernel = listRows_ == 64 ? group_scatter_nn_bf16_64 : group_scatter_nn_bf16_16;
    int grid = over(p.columns, 256) * over(m.batch, 128);
    const DeviceWalk* w = columns_.get();
    return {"group_scatter_nn", [=, &m] {
              overElements(group_scatter_pack_bf16, (long long)w->packed.size(), values, w->sources, w->packed, w->packed.size(),
                           p.fanIn, listRows_);
              device::enqueue(kernel, grid, 256, GroupScatter<1>::SHARED_BYTES, g, m.dy, w->starts, w->columns, w->sources,
                              reinterpret_cast<const uint4*>(w->packed.data()), p.rows / listRows_, listRows_);
            }};
  }

  SparseBody weightGradient(const SparseMemory& m) const {
    if (shared_ == 0) return groupGradient(m);
    int tiles = over(p.columns, 256), slices = over(p.rows / shared_, 4), multiprocessors = device::multiprocessors();
    int perBlock = std::max(16, over(over(slices * tiles, multiprocessors), 16) * 16);
    auto kernel = shared_ == 1 ? plain_sddmm_bf16_f32 : shared_sddmm_bf16_f32;
    const DeviceWalk* w = rows_.get();
    return {shared_ == 1 ? "plain_sddmm" : "shared_sddmm", [=, &m] {
              transposed(m.dy, m.dyt, m.batch, p.rows, m.stride());
              transposed(m.x, m.xt, m.batch, p.columns, m.stride());
              device::enqueue(kernel, dim3(tiles, over(slices, perBlock)), PlainSddmm<1>::THREADS, PlainSddmm<1>::SHARED_BYTES, m.xt,
                              m.dyt, m.stride(), w->starts, w->columns, w->sources, m.dvalues, p.rows, p.columns, p.fanIn, perBlock);
            }};
  }

  const Pattern p;
  const Normal<bf16> values;

 private:
  // Whether so many blocks keep the device busy enough: a larger tile's work is done in less time.
  static bool fills(int blocks) { return 4 * blocks >= 3 * device::multiprocessors(); }
  static int over(int size, int edge) { return (size + edge - 1) / edge; }
  int paddedFanIn() const { return over(p.fanIn, 8) * 8; }

  static std::unique_ptr<DeviceWalk> packed(const Walk& w) { return std::make_unique<DeviceWalk>(w, (w.steps() + sliced::MOST_AHEAD) * 16); }

  static GemmArguments output(bf16* c, int batch, int outputs) {
    GemmArguments g = {};
    g.c = c, g.strideC = outputs, g.m = batch, g.n = outputs, g.groups = 1;
    return g;
  }

  static void transposed(const bf16* from, bf16* to, int rows, int columns, long long stride) {
    device::enqueue(transpose_bf16, dim3(over(rows, 64), over(columns, 64)), transpose::THREADS, 0, from, to, rows, columns, stride);
  }

  // plain_spmm.cu: the transpose, the entries, the product.
  using Walked = void (*)(GemmArguments, const bf16*, long long, const int*, const uint4*, int);
  SparseBody walked(const char* name, Walked largeKernel, Walked smallKernel, int smallRows, const DeviceWalk& w, int shared,
                    const GemmArguments& g, const bf16* from, bf16* to, int walkedColumns, long long stride) const {
    bool large = fills(over(g.n, 256) * over(g.m, 128));
    int grid = large ? over(g.n, 256) * over(g.m, 128) : over(g.n, smallRows) * over(g.m, 64);
    int bytes = large ? PlainLarge::SHARED_BYTES : PlainSmall::SHARED_BYTES;
    int threads = large ? PlainLarge::THREADS : PlainSmall::THREADS;
    Walked kernel = large ? largeKernel : smallKernel;
    uint4* entries = reinterpret_cast<uint4*>(w.packed.data());
    return {name + std::string(large ? " 256x128" : " small"), [=, &w] {
              transposed(from, to, g.m, walkedColumns, stride);
              if (shared == 1) overElements(plain_pack_bf16, w.entries, values, w.columns, w.sources, w.packed, w.entries);
              else overElements(shared_pack_bf16, w.entries, values, w.columns, w.sources, entries, w.entries, p.fanIn);
              device::enqueue(kernel, grid, threads, bytes, g, to, stride, w.starts, entries, walkedColumns);
            }};
  }

  SparseBody listForward(const GemmArguments& g, const SparseMemory& m) const {
    bool large = fills(over(g.n, 256) * over(g.m, 128)), eight = listRows_ == 8;
    int grid = large ? over(g.n, 256) * over(g.m, 128) : over(g.n, 64) * over(g.m, 64);
    auto kernel = eight ? (large ? group_spmm_nt_bf16_8_256x128 : group_spmm_nt_bf16_8_64x64)
                        : (large ? group_spmm_nt_bf16_16_256x128 : group_spmm_nt_bf16_16_64x64);
    int threads = large ? EightLarge::THREADS : EightSmall::THREADS;
    int bytes = large ? EightLarge::SHARED_BYTES : EightSmall::SHARED_BYTES;
    auto pack = eight ? group_pack_bf16_8 : group_pack_bf16_16;
    const DeviceWalk* w = rows_.get();
    return {std::string("group_spmm_nt ") + (large ? "256x128" : "64x64"), [=, &m] {
              transposed(m.x, m.xt, m.batch, p.columns, m.stride());
              overElements(pack, (long long)w->packed.size(), values, w->sources, w->packed, w->packed.size(), p.fanIn);
              device::enqueue(kernel, grid, threads, bytes, g, m.xt, m.stride(), w->starts, w->columns,
                              reinterpret_cast<const uint2*>(w->packed.data()), p.columns);
            }};
  }

  // A kernel of group_gemm_nt's arguments; blocks that a multiprocessor holds, and the tiles that there are.
  using Grouped = void (*)(GemmArguments, const int*, const int*, int, int);
  struct GroupTile { const char* name; Grouped kernel; int threads, bytes, blocks, count; };
  template <class Config>
  static GroupTile tileOf(const char* name, Grouped kernel, int blocks) {
    return {name, kernel, Config::THREADS, Config::SHARED_BYTES, blocks, 0};
  }

  SparseBody groupForward(const SparseMemory& m) const {
    int parts = p.groups() * over(p.groupRows, 64);
    bool large = parts * over(m.batch, 256) >= device::multiprocessors();
    GroupTile tile = large ? tileOf<GroupForwardLarge>("group_gemm_nt 256x64", group_gemm_nt_bf16_256x64, 2)
                           : tileOf<GroupForwardSmall>("group_gemm_nt 64x64", group_gemm_nt_bf16_64x64, 2);
    tile.count = parts * over(m.batch, large ? 256 : 64);
    return groupForward(tile, m);
  }

  SparseBody groupForward(const GroupTile& tile, const SparseMemory& m) const {
    bool aligned = paddedFanIn() == p.fanIn;
    GemmArguments g = output(m.y, m.batch, p.rows);
    g.a = m.xt, g.b = aligned ? values.data() : padded_->data(), g.strideA = m.stride(), g.strideB = paddedFanIn(), g.k = p.fanIn;
    int grid = std::min(tile.blocks * device::multiprocessors(), tile.count);
    return {tile.name, [=, &m] {
              transposed(m.x, m.xt, m.batch, p.columns, m.stride());
              if (!aligned)
                overElements(pad_rows_bf16, (long long)padded_->size(), values, padded_->data(), p.liveRows(), p.fanIn, paddedFanIn());
              device::enqueue(tile.kernel, grid, tile.threads, tile.bytes, g, indices_, liveOf_, p.groupRows, p.groups());
            }};
  }

  SparseBody groupGradient(const SparseMemory& m) const {
    GemmArguments g = {};
    g.a = m.dy, g.b = m.xt, g.c = m.dvalues, g.strideA = p.rows, g.strideB = m.stride(), g.strideC = p.fanIn;
    g.m = p.groupRows, g.n = p.fanIn, g.k = m.batch, g.groups = 1, g.accumulate = 1;
    bool large = p.groupRows >= 64;
    int tiles = p.groups() * over(p.groupRows, large ? 64 : 16) * over(p.fanIn, 256);
    int grid = std::min(2 * device::multiprocessors(), tiles);
    auto kernel = large ? group_gemm_tn_f32_64x256 : group_gemm_tn_f32_16x256;
    int bytes = large ? GroupGradientLarge::SHARED_BYTES : GroupGradientNarrow::SHARED_BYTES;
    return {std::string("group_gemm_tn ") + (large ? "64x256" : "16x256"), [=, &m] {
              transposed(m.x, m.xt, m.batch, p.columns, m.stride());
              device::enqueue(kernel, grid, 256, bytes, g, indices_, liveOf_, p.groupRows, p.groups());
            }};
  }

  device::Buffer<int> indices_, liveOf_;
  int shared_ = 0;    // rows that share a quarter, of plain formats
  int listRows_ = 0;  // of a list, of groups
  std::unique_ptr<DeviceWalk> rows_, columns_, wide_;
  std::unique_ptr<device::Buffer<bf16>> padded_;
};

// An element of a result as pairs of factors: of the values or dy, and of x or dy.
struct SparseSample {
  size_t result;
  std::vector<long long> left, right;
};

// found[2i] = element i, found[2i + 1] = its sum in double. Terms of element i: [ends[i - 1], ends[i]). A thread an element.
template <class Out>
__global__ void computeSparseSamples(const Out* results, const long long* places, const bf16* left, const bf16* right,
                                     const long long* lefts, const long long* rights, const int* ends, double* found) {
  int i = threadIdx.x;
  double sum = 0;
  for (int t = i == 0 ? 0 : ends[i - 1]; t < ends[i]; t++) sum += double(toFloat(left[lefts[t]])) * toFloat(right[rights[t]]);
  found[2 * i] = toFloat(results[places[i]]);
  found[2 * i + 1] = sum;
}

// Throws where drawn elements are not the sums of their terms.
template <class Out>
void requireSamples(const std::string& what, const device::Buffer<Out>& results, const bf16* left, const bf16* right,
                    const std::vector<SparseSample>& samples) {
  std::vector<long long> places, lefts, rights;
  std::vector<int> ends;
  for (const SparseSample& s : samples) {
    places.push_back((long long)s.result);
    lefts.insert(lefts.end(), s.left.begin(), s.left.end());
    rights.insert(rights.end(), s.right.begin(), s.right.end());
    ends.push_back(int(lefts.size()));
  }
  device::Buffer<long long> Places(places), Lefts(lefts), Rights(rights);
  device::Buffer<int> Ends(ends);
  device::Buffer<double> Found(2 * samples.size());
  device::launch(computeSparseSamples<Out>, 1, int(samples.size()), 0, results, Places, left, right, Lefts, Rights, Ends, Found);
  std::vector<double> found = Found.toHost();
  for (size_t i = 0; i < samples.size(); i++) {
    double allowed = 2e-3 * std::sqrt(double(samples[i].left.size()) + 1) + 0.004 * std::fabs(found[2 * i + 1]);
    if (!(std::fabs(found[2 * i] - found[2 * i + 1]) <= allowed))
      throw std::runtime_error(what + ": element " + std::to_string(samples[i].result) + ": got " + std::to_string(found[2 * i]) +
                               ", expected " + std::to_string(found[2 * i + 1]));
  }
}

}  // namespace bench
