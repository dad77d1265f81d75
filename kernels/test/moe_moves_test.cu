// Checks of moe/sort.cu and moe/permute.cu against plain loops in integers and double.
#include "moe/permute.cu"
#include "moe/sort.cu"

#include <algorithm>
#include <numeric>

#include "common/launch.cuh"
#include "test/check.h"

namespace {

using Ints = std::vector<int>;

template <typename T> struct Moves;
template <> struct Moves<float> {
  static constexpr auto gather = moe_gather_f32;
  static constexpr auto gatherBackward = moe_gather_backward_f32;
  static constexpr auto scatter = moe_scatter_f32;
  static constexpr auto scatterBackward = moe_scatter_backward_f32;
  static constexpr double ROUNDING = 1e-6;  // some units of the last of 24 bits
};
template <> struct Moves<bf16> {
  static constexpr auto gather = moe_gather_bf16;
  static constexpr auto gatherBackward = moe_gather_backward_bf16;
  static constexpr auto scatter = moe_scatter_bf16;
  static constexpr auto scatterBackward = moe_scatter_backward_bf16;
  static constexpr double ROUNDING = 0.0040;  // half a unit of the last of 8 bits
};

// sorted: the assignment at each row.
struct Sorted {
  Ints offsets, sorted, rowOf;
  int kept() const { return offsets.back(); }
};

Sorted referenceSort(const Ints& experts, int expertCount) {
  Sorted result{Ints(expertCount + 1), Ints(experts.size()), Ints(experts.size())};
  auto bin = [&](int a) { return experts[a] < 0 ? expertCount : experts[a]; };
  std::iota(result.sorted.begin(), result.sorted.end(), 0);
  std::stable_sort(result.sorted.begin(), result.sorted.end(), [&](int a, int b) { return bin(a) < bin(b); });
  for (size_t a = 0; a < experts.size(); a++)
    for (int e = bin(int(a)) + 1; e <= expertCount; e++) result.offsets[e]++;
  for (int p = 0; p < int(experts.size()); p++) result.rowOf[result.sorted[p]] = p < result.kept() ? p : -1;
  return result;
}

struct SortLaunch { int threads, perBlock; };

// Fails where tokenOf does not tell the tokens of the rows that rowOf gives.
Sorted sortOnDevice(const Ints& experts, int expertCount, SortLaunch how, int k = 1) {
  int blocks = std::max<int>(1, int((experts.size() + how.perBlock - 1) / how.perBlock)), bins = expertCount + 1;
  device::Buffer<int> in(experts), starts(size_t(blocks) * bins), offsets(bins), tokenOf(experts.size()),
      rowOf(experts.size());
  long long n = (long long)experts.size();
  device::launch(moe_sort_histogram_i32, blocks, how.threads, bins * sizeof(int), in, starts, n, expertCount,
                 how.perBlock);
  Ints histogram = starts.toHost();
  if (std::accumulate(histogram.begin(), histogram.end(), 0LL) != n)
    throw std::runtime_error("the histograms do not add up to the number of assignments");
  device::launch(moe_sort_scan_i32, 1, how.threads, 0, starts, offsets, expertCount, blocks);
  device::launch(moe_sort_scatter_i32, blocks, how.threads, size_t(how.threads / 32) * bins * sizeof(int), in, starts,
                 tokenOf, rowOf, n, expertCount, k, how.perBlock);
  Sorted result{offsets.toHost(), Ints(experts.size(), -1), rowOf.toHost()};
  Ints tokens = tokenOf.toHost(), expected(experts.size(), -1);  // what buffers hold at first
  for (int a = 0; a < int(experts.size()); a++)
    if (int row = result.rowOf[a]; row >= 0) result.sorted.at(row) = a, expected[row] = a / k;
  if (tokens != expected) throw std::runtime_error("tokenOf does not fit rowOf");
  return result;
}

const SortLaunch LAUNCHES[] = {{32, 32}, {64, 128}, {128, 1024}};

void checkSort(test::Check& check, const std::string& what, const Ints& experts, int expertCount) {
  Sorted expected = referenceSort(experts, expertCount);
  for (SortLaunch how : LAUNCHES) {
    std::string at = " of " + what + ", " + std::to_string(how.threads) + " threads";
    Sorted actual = sortOnDevice(experts, expertCount, how, check.integer(1, 4));
    check.equal("offsets" + at, actual.offsets, expected.offsets);
    check.equal("rowOf" + at, actual.rowOf, expected.rowOf);
  }
}

Ints randomExperts(test::Check& check, int assignments, int lowest, int expertCount) {
  Ints experts(assignments);
  for (int& e : experts) e = check.integer(lowest, expertCount - 1);
  return experts;
}

// counts[e] assignments of expert e, shuffled.
Ints withCounts(test::Check& check, const Ints& counts) {
  Ints experts;
  for (int e = 0; e < int(counts.size()); e++) experts.insert(experts.end(), counts[e], e);
  std::shuffle(experts.begin(), experts.end(), check.random);
  return experts;
}

SPARROW_CHECK(moe_sort, random_assignments_are_sorted_stably) {
  for (int experts : {1, 2, 31, 32, 33, 64, 1024})
    for (int assignments : {1, 31, 32, 33, 127, 128, 129, 1000})
      checkSort(check, std::to_string(assignments) + " to " + std::to_string(experts),
                randomExperts(check, assignments, 0, experts), experts);
}
SPARROW_CHECK(moe_sort, dropped_assignments_sort_behind_all_others) {
  for (int experts : {1, 5, 64}) {
    checkSort(check, "some dropped", randomExperts(check, 777, -1, experts), experts);
    checkSort(check, "all dropped", Ints(65, -1), experts);
  }
}
SPARROW_CHECK(moe_sort, all_tokens_to_one_expert) {
  for (int expert : {0, 17, 63}) checkSort(check, "expert " + std::to_string(expert), Ints(1030, expert), 64);
}
SPARROW_CHECK(moe_sort, experts_around_a_tile_and_empty_ones) {
  checkSort(check, "around 128", withCounts(check, {0, 1, 127, 128, 129, 0, 0, 1, 0}), 9);
  checkSort(check, "skewed", withCounts(check, {219, 2246, 5, 8103, 1, 1117, 4693, 0}), 8);
}
SPARROW_CHECK(moe_sort, no_token_gives_empty_offsets) { checkSort(check, "nothing", {}, 7); }
SPARROW_CHECK(moe_sort, every_expert_once_at_1024) {
  Ints once(1024);
  std::iota(once.rbegin(), once.rend(), 0);
  checkSort(check, "descending", once, 1024);
}
SPARROW_CHECK(moe_sort, runs_repeat_and_do_not_depend_on_the_launch) {
  Ints experts = randomExperts(check, 3000, -1, 40);
  Sorted first = sortOnDevice(experts, 40, LAUNCHES[0]);
  for (int run = 0; run < 6; run++) {  // another order of threads each time
    Sorted again = sortOnDevice(experts, 40, LAUNCHES[run % 3]);
    check.identical("offsets", again.offsets, first.offsets);
    check.identical("rowOf", again.rowOf, first.rowOf);
  }
  Ints rows;
  for (int row : first.rowOf)
    if (row >= 0) rows.push_back(row);
  std::sort(rows.begin(), rows.end());
  Ints identity(first.kept());
  std::iota(identity.begin(), identity.end(), 0);
  check.equal("rows as a set", rows, identity);
}

struct Case { int tokens, experts, k, lowest, width, threads, blocks; };

// One token, odd, dropped assignments, narrower than a 16-byte load, around a warp's share of columns, a model's width;
// fewer warps than tokens and more.
const Case CASES[] = {{1, 1, 1, 0, 1, 32, 1},     {3, 5, 2, 0, 7, 32, 2},      {17, 4, 3, -1, 16, 64, 1},
                      {64, 16, 1, -1, 31, 128, 3}, {33, 3, 2, 0, 264, 64, 4},   {40, 64, 4, -1, 256, 32, 5},
                      {9, 1024, 8, -1, 257, 64, 9}, {5, 8, 2, 0, 1024, 128, 2}, {6, 2, 2, -1, 48, 32, 1}};

std::string describe(const Case& c) {
  return " (T " + std::to_string(c.tokens) + ", E " + std::to_string(c.experts) + ", k " + std::to_string(c.k) +
         ", width " + std::to_string(c.width) + ")";
}

template <typename T>
std::vector<T> gatherOnDevice(const Case& c, const Sorted& s, const std::vector<T>& x, std::vector<T> y) {
  device::Buffer<T> X(x), Y(y);
  device::Buffer<int> rowOf(s.rowOf);
  device::launch(Moves<T>::gather, c.blocks, c.threads, 0, X, rowOf, Y, s.rowOf.size(), c.k, c.width);
  return Y.toHost();
}

// Scatter, or gather backward without weights; old null: not accumulated, out poisoned.
template <typename T>
std::vector<T> combineOnDevice(const Case& c, const Sorted& s, const std::vector<T>& y, const std::vector<float>* weights,
                               const std::vector<T>* old) {
  device::Buffer<T> Y(y), out(size_t(c.tokens) * c.width);
  if (old != nullptr) device::copy(out.data(), old->data(), old->size() * sizeof(T));
  device::Buffer<int> rowOf(s.rowOf);
  int accumulate = old != nullptr;
  if (weights == nullptr) {
    device::launch(Moves<T>::gatherBackward, c.blocks, c.threads, 0, Y, rowOf, accumulate, out, c.tokens, c.k, c.width);
  } else {
    device::Buffer<float> W(*weights);
    device::launch(Moves<T>::scatter, c.blocks, c.threads, 0, Y, rowOf, W, accumulate, out, c.tokens, c.k, c.width);
  }
  return out.toHost();
}

template <typename T>
std::vector<double> referenceCombine(const Case& c, const Sorted& s, const std::vector<T>& y,
                                     const std::vector<float>* weights, const std::vector<T>* old) {
  std::vector<double> out(size_t(c.tokens) * c.width);
  for (size_t i = 0; i < out.size() && old != nullptr; i++) out[i] = toFloat((*old)[i]);
  for (int p = 0; p < s.kept(); p++) {
    int a = s.sorted[p];
    for (int i = 0; i < c.width; i++)
      out[size_t(a / c.k) * c.width + i] += (weights ? (*weights)[a] : 1.0) * double(toFloat(y[size_t(p) * c.width + i]));
  }
  return out;
}

template <typename T>
void checkGather(test::Check& check) {
  for (const Case& c : CASES) {
    Sorted s = referenceSort(randomExperts(check, c.tokens * c.k, c.lowest, c.experts), c.experts);
    auto x = check.normal<T>(size_t(c.tokens) * c.width), before = check.normal<T>(s.sorted.size() * c.width);
    auto expected = before;  // rows of dropped assignments keep what they hold
    for (int p = 0; p < s.kept(); p++)
      for (int i = 0; i < c.width; i++)
        expected[size_t(p) * c.width + i] = x[size_t(s.sorted[p] / c.k) * c.width + i];
    check.identical("y" + describe(c), gatherOnDevice<T>(c, s, x, before), expected);
  }
}

// Sums of k products of normal values may cancel: an absolute part of some fp32 roundings; the relative one is T's rounding.
template <typename T>
void checkCombine(test::Check& check, bool weighted, bool accumulate) {
  for (const Case& c : CASES) {
    Sorted s = referenceSort(randomExperts(check, c.tokens * c.k, c.lowest, c.experts), c.experts);
    std::vector<T> y = check.normal<T>(s.sorted.size() * c.width), old = check.normal<T>(size_t(c.tokens) * c.width);
    for (size_t i = size_t(s.kept()) * c.width; i < y.size(); i++) y[i] = fromFloat<T>(NAN);  // nobody may read these
    auto w = check.normal<float>(s.sorted.size());
    for (int p = s.kept(); p < int(s.sorted.size()); p++) w[s.sorted[p]] = NAN;
    const auto* weights = weighted ? &w : nullptr;
    const auto* from = accumulate ? &old : nullptr;
    auto actual = combineOnDevice<T>(c, s, y, weights, from);
    check.near("out" + describe(c), actual, referenceCombine(c, s, y, weights, from), 4e-6, Moves<T>::ROUNDING);
    check.identical("out again" + describe(c), combineOnDevice<T>(c, s, y, weights, from), actual);
  }
}

template <typename T>
void checkScatterBackward(test::Check& check) {
  for (const Case& c : CASES) {
    Sorted s = referenceSort(randomExperts(check, c.tokens * c.k, c.lowest, c.experts), c.experts);
    std::vector<T> y = check.normal<T>(s.sorted.size() * c.width), dout = check.normal<T>(size_t(c.tokens) * c.width);
    auto weights = check.normal<float>(s.sorted.size());
    auto before = check.normal<T>(y.size());
    std::vector<double> dy(y.size()), dweights(weights.size());
    for (size_t i = 0; i < dy.size(); i++) dy[i] = toFloat(before[i]);
    for (int p = 0; p < s.kept(); p++) {
      int a = s.sorted[p];
      for (int i = 0; i < c.width; i++) {
        double d = toFloat(dout[size_t(a / c.k) * c.width + i]);
        dy[size_t(p) * c.width + i] = weights[a] * d;
        dweights[a] += d * toFloat(y[size_t(p) * c.width + i]);
      }
    }
    device::Buffer<T> DOUT(dout), Y(y);
    device::Buffer<int> rowOf(s.rowOf);
    device::Buffer<float> W(weights);
    auto run = [&] {
      device::Buffer<T> DY(before);
      device::Buffer<float> DW(weights.size());
      device::launch(Moves<T>::scatterBackward, c.blocks, c.threads, 0, DOUT, Y, rowOf, W, DY, DW, s.rowOf.size(), c.k,
                     c.width);
      return std::pair(DY.toHost(), DW.toHost());
    };
    auto [actualDy, actualDw] = run();
    check.near("dy" + describe(c), actualDy, dy, 0, Moves<T>::ROUNDING);
    // A sum of width products, each of about 1: fp32 roundings of its magnitude.
    check.near("dweights" + describe(c), actualDw, dweights, 1e-6 * std::sqrt(c.width) + 1e-7 * c.width, 1e-5);
    auto [dyAgain, dwAgain] = run();
    check.identical("dy again" + describe(c), dyAgain, actualDy);
    check.identical("dweights again" + describe(c), dwAgain, actualDw);
  }
}

// Zeros of both signs, infinities and numbers below the normal ones among them.
template <typename T>
void checkIdentity(test::Check& check) {
  const float special[] = {-0.0f, 0.0f, INFINITY, 1e-39f};
  for (int width : {1, 24, 33}) {
    Case c{67, 5, 1, 0, width, 64, 2};
    Sorted s = sortOnDevice(randomExperts(check, c.tokens, 0, c.experts), c.experts, LAUNCHES[1]);
    auto x = check.normal<T>(size_t(c.tokens) * width);
    for (size_t i = 0; i < x.size(); i += 5) x[i] = fromFloat<T>(special[i / 5 % 4]);
    auto y = gatherOnDevice<T>(c, s, x, check.normal<T>(x.size()));
    std::vector<float> ones(c.tokens, 1.0f);
    check.identical("scatter(gather(x))", combineOnDevice<T>(c, s, y, &ones, nullptr), x);
    check.identical("gatherBackward(gather(x))", combineOnDevice<T>(c, s, y, nullptr, nullptr), x);
  }
}

SPARROW_CHECK(moe_permute, gather_copies_kept_rows_and_no_others_f32) { checkGather<float>(check); }
SPARROW_CHECK(moe_permute, gather_copies_kept_rows_and_no_others_bf16) { checkGather<bf16>(check); }
SPARROW_CHECK(moe_permute, scatter_weighs_and_adds_f32) { checkCombine<float>(check, true, false); }
SPARROW_CHECK(moe_permute, scatter_weighs_and_adds_bf16) { checkCombine<bf16>(check, true, false); }
SPARROW_CHECK(moe_permute, scatter_accumulates_f32) { checkCombine<float>(check, true, true); }
SPARROW_CHECK(moe_permute, scatter_accumulates_bf16) { checkCombine<bf16>(check, true, true); }
SPARROW_CHECK(moe_permute, gather_backward_adds_a_tokens_rows_f32) { checkCombine<float>(check, false, false); }
SPARROW_CHECK(moe_permute, gather_backward_adds_a_tokens_rows_bf16) { checkCombine<bf16>(check, false, false); }
SPARROW_CHECK(moe_permute, gather_backward_accumulates) { checkCombine<float>(check, false, true); }
SPARROW_CHECK(moe_permute, scatter_backward_f32) { checkScatterBackward<float>(check); }
SPARROW_CHECK(moe_permute, scatter_backward_bf16) { checkScatterBackward<bf16>(check); }
SPARROW_CHECK(moe_permute, scatter_of_gather_with_one_expert_a_token_is_the_identity_f32) { checkIdentity<float>(check); }
SPARROW_CHECK(moe_permute, scatter_of_gather_with_one_expert_a_token_is_the_identity_bf16) { checkIdentity<bf16>(check); }
// Rows as wide as some 16-byte loads, but not aligned to them.
template <typename T>
void checkUnaligned(test::Check& check) {
  Case c{9, 4, 2, -1, 32, 32, 2};
  Sorted s = referenceSort(randomExperts(check, c.tokens * c.k, c.lowest, c.experts), c.experts);
  size_t in = size_t(c.tokens) * c.width, out = s.sorted.size() * c.width;
  auto x = check.normal<T>(in + 1), y = check.normal<T>(out + 1);
  auto tail = [](const std::vector<T>& v) { return std::vector<T>(v.begin() + 1, v.end()); };
  device::Buffer<T> X(x), Y(y), shiftedX(in + 1);
  device::Buffer<int> rowOf(s.rowOf);
  auto weights = check.normal<float>(s.sorted.size());
  device::Buffer<float> W(weights), DW(s.sorted.size());
  device::launch(Moves<T>::scatter, 2, 32, 0, Y.data() + 1, rowOf, W, 0, shiftedX.data() + 1, c.tokens, c.k, c.width);
  check.identical("out", tail(shiftedX.toHost()), combineOnDevice<T>(c, s, tail(y), &weights, nullptr));
  device::launch(Moves<T>::gather, 2, 32, 0, X.data() + 1, rowOf, Y.data() + 1, s.rowOf.size(), c.k, c.width);
  check.identical("y", tail(Y.toHost()), gatherOnDevice<T>(c, s, tail(x), tail(y)));
  device::launch(Moves<T>::scatterBackward, 2, 32, 0, X.data() + 1, Y.data() + 1, rowOf, W, Y.data() + 1, DW,
                 s.rowOf.size(), c.k, c.width);  // dy over y
  auto expected = tail(y);
  for (int p = 0; p < s.kept(); p++)
    for (int i = 0; i < c.width; i++)
      expected[size_t(p) * c.width + i] =
          fromFloat<T>(weights[s.sorted[p]] * toFloat(x[1 + size_t(s.sorted[p] / c.k) * c.width + i]));
  check.identical("dy", tail(Y.toHost()), expected);
}

SPARROW_CHECK(moe_permute, unaligned_rows_move_as_aligned_ones_f32) { checkUnaligned<float>(check); }
SPARROW_CHECK(moe_permute, unaligned_rows_move_as_aligned_ones_bf16) { checkUnaligned<bf16>(check); }
SPARROW_CHECK(moe_permute, permuted_tokens_give_permuted_outputs) {
  Case c{50, 7, 3, -1, 40, 64, 2};
  Ints experts = randomExperts(check, c.tokens * c.k, c.lowest, c.experts), order(c.tokens);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), check.random);
  auto x = check.normal<float>(size_t(c.tokens) * c.width), weights = check.normal<float>(experts.size());
  auto layer = [&](const Ints& e, const std::vector<float>& in, const std::vector<float>& w) {
    Sorted s = sortOnDevice(e, c.experts, LAUNCHES[2]);
    auto y = gatherOnDevice<float>(c, s, in, std::vector<float>(e.size() * c.width, NAN));
    for (int expert = 0; expert < c.experts; expert++)  // each expert is a function of its own
      for (int i = s.offsets[expert] * c.width; i < s.offsets[expert + 1] * c.width; i++) y[i] *= float(expert + 2);
    return combineOnDevice<float>(c, s, y, &w, nullptr);
  };
  auto moved = [&](const auto& values, int columns) {
    auto result = values;
    for (int t = 0; t < c.tokens; t++)
      std::copy_n(values.begin() + size_t(order[t]) * columns, columns, result.begin() + size_t(t) * columns);
    return result;
  };
  auto out = layer(experts, x, weights);
  check.identical("outputs", layer(moved(experts, c.k), moved(x, c.width), moved(weights, c.k)), moved(out, c.width));
}

}  // namespace
