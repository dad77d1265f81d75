// Checks of nn/elementwise.cu against plain loops, and of Philox against published answers.
#include "nn/elementwise.cu"

#include "common/launch.cuh"
#include "test/check.h"

namespace {

struct Shape { int n, blocks, threads, offset; };

// One element, odd, around packs of 4 and 8 and a block's share, unaligned, rows of GPT-2's width.
const Shape SHAPES[] = {{1, 1, 32, 0},   {3, 2, 32, 0},   {7, 1, 32, 0},   {8, 1, 32, 0},    {9, 1, 32, 0},
                        {255, 1, 32, 0}, {256, 1, 32, 0}, {257, 1, 32, 0}, {1001, 2, 64, 3}, {16 * 768, 3, 128, 0}};

std::string name(const Shape& s) { return " (" + std::to_string(s.n) + " from " + std::to_string(s.offset) + ")"; }

template <typename T> std::vector<T> window(const std::vector<T>& all, const Shape& s) {
  return std::vector<T>(all.begin() + s.offset, all.begin() + s.offset + s.n);
}
template <typename T> std::vector<T> window(const device::Buffer<T>& buffer, const Shape& s) {
  return window(buffer.toHost(), s);
}

template <typename T> struct Family;
template <> struct Family<float> {
  static constexpr auto add = add_f32;
  static constexpr auto axpy = axpy_f32;
  static constexpr auto scale = scale_f32;
  static constexpr auto fill = fill_f32;
  static constexpr auto dropout = dropout_f32;
};
template <> struct Family<bf16> {
  static constexpr auto add = add_bf16;
  static constexpr auto axpy = axpy_bf16;
  static constexpr auto scale = scale_bf16;
  static constexpr auto fill = fill_bf16;
  static constexpr auto dropout = dropout_bf16;
};

// One rounding of fp32, and one of bf16's 8 bits.
template <typename T> double relative() { return sizeof(T) == 2 ? 0.0040 : 2e-7; }

template <typename T>
void checkArithmetic(test::Check& check) {
  const float alpha = -1.7f;
  for (const Shape& s : SHAPES) {
    int o = s.offset;
    size_t size = o + s.n;
    auto a = check.normal<T>(size), b = check.normal<T>(size);
    std::vector<double> sum, scaled, combined, filled(s.n, toFloat(fromFloat<T>(alpha)));
    for (size_t i = o; i < size; i++) {
      double x = toFloat(a[i]), y = toFloat(b[i]);
      sum.push_back(x + y);
      scaled.push_back(alpha * x);
      combined.push_back(y + alpha * x);
    }
    device::Buffer<T> A(a), B(b), SUM(size), SCALED(size), COMBINED(b), FILLED(size), inPlace(a);
    device::launch(Family<T>::add, s.blocks, s.threads, 0, A.data() + o, B.data() + o, SUM.data() + o, s.n);
    device::launch(Family<T>::scale, s.blocks, s.threads, 0, alpha, A.data() + o, SCALED.data() + o, s.n);
    device::launch(Family<T>::axpy, s.blocks, s.threads, 0, alpha, A.data() + o, COMBINED.data() + o, s.n);
    device::launch(Family<T>::fill, s.blocks, s.threads, 0, alpha, FILLED.data() + o, s.n);
    check.near("a + b" + name(s), window(SUM, s), sum, 0, relative<T>());
    check.near("alpha·x" + name(s), window(SCALED, s), scaled, 0, relative<T>());
    check.near("out + alpha·x" + name(s), window(COMBINED, s), combined, 2e-7, relative<T>());
    check.near("fill" + name(s), window(FILLED, s), filled, 0, 0);
    device::launch(Family<T>::add, s.blocks, s.threads, 0, inPlace.data() + o, B.data() + o, inPlace.data() + o, s.n);
    check.identical("a + b in place" + name(s), window(inPlace, s), window(SUM, s));
  }
}

// Draw `index` in the words of the definition, each product by halves of 16 bits.
unsigned highProduct(unsigned a, unsigned b) {
  unsigned al = a & 0xffff, ah = a >> 16, bl = b & 0xffff, bh = b >> 16;
  unsigned middle = ah * bl + (al * bl >> 16), other = al * bh + (middle & 0xffff);
  return ah * bh + (middle >> 16) + (other >> 16);
}

unsigned drawn(unsigned long long seed, unsigned long long stream, unsigned long long index) {
  unsigned long long number = index / 4;
  unsigned c[4] = {unsigned(number), unsigned(number >> 32), unsigned(stream), unsigned(stream >> 32)};
  unsigned key[2] = {unsigned(seed), unsigned(seed >> 32)};
  for (int round = 0; round < 10; round++) {
    unsigned next[4] = {highProduct(0xCD9E8D57u, c[2]) ^ c[1] ^ key[0], 0xCD9E8D57u * c[2],
                        highProduct(0xD2511F53u, c[0]) ^ c[3] ^ key[1], 0xD2511F53u * c[0]};
    std::copy(next, next + 4, c);
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return c[index % 4];
}

// The first token and what belongs to one, and so the draw at which a call starts: the product wraps.
struct Start { unsigned long long firstToken, perToken; };
const Start STARTS[] = {{0, 768}, {1, 4}, {5, 1}, {1, 6}, {(1ull << 34) - 6, 1}, {1ull << 33, (1ull << 31) + 3},
                        {~0ull, 5}};

template <typename T>
void checkDropout(test::Check& check) {
  for (const Shape& s : SHAPES)
    for (double chance : {0.0, 0.1, 0.5, -1.0})
      for (const Start& start : STARTS) {
        int o = s.offset;
        auto x = check.normal<T>(o + s.n);
        unsigned long long seed = 0x123456789ABCDEFull + check.random(), stream = 0xF000000000000042ull;
        unsigned long long counter = start.firstToken * start.perToken;
        // Below 0 stands for the first draw itself, which is then kept.
        double p = chance < 0 ? (drawn(seed, stream, counter) >> 8) * 0x1p-24 : chance;
        float scale = float(1 / (1 - p));
        std::vector<T> expected;
        for (int i = 0; i < s.n; i++) {
          bool kept = (drawn(seed, stream, counter + i) >> 8) * 0x1p-24 >= p;
          expected.push_back(fromFloat<T>(kept ? toFloat(x[o + i]) * scale : 0.0f));
        }
        device::Buffer<unsigned long long> first(std::vector<unsigned long long>{start.firstToken});
        unsigned dropBelow = unsigned(std::ceil(p * 0x1p24));
        std::string what = name(s) + " p " + std::to_string(p) + " counter " + std::to_string(counter);
        device::Buffer<T> X(x);
        auto run = [&](const device::Buffer<T>& out, int offset) {
          device::launch(Family<T>::dropout, s.blocks, s.threads, 0, X.data() + o, dropBelow, scale, seed, stream, first,
                         start.perToken, out.data() + offset, s.n);
          auto all = out.toHost();
          return std::vector<T>(all.begin() + offset, all.begin() + offset + s.n);
        };
        for (int offset : {0, 1}) check.identical("dropout" + what, run(device::Buffer<T>(s.n + offset), offset), expected);
        check.identical("dropout in place" + what, run(X, o), expected);
      }
}

std::vector<unsigned> ciphered(unsigned k0, unsigned k1, unsigned c0, unsigned c1, unsigned c2, unsigned c3) {
  uint4 out = philox::cipher(k0, k1, make_uint4(c0, c1, c2, c3));
  return {out.x, out.y, out.z, out.w};
}

// The vectors for philox4x32-10 of Random123's kat_vectors.
SPARROW_CHECK(elementwise, philox_gives_the_published_answers) {
  std::vector<unsigned> pi = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  check.equal("zeros", ciphered(0, 0, 0, 0, 0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  check.equal("ones", ciphered(~0u, ~0u, ~0u, ~0u, ~0u, ~0u), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  check.equal("pi", ciphered(0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344), pi);
  unsigned long long seed = 0x299f31d0a4093822ull, stream = 0x0370734413198a2eull, number = 0x85a308d3243f6a88ull;
  uint4 four = philox::block(seed, stream, number);
  check.equal("block", {four.x, four.y, four.z, four.w}, pi);
  for (unsigned index : {28u, 29u, 30u, 31u})
    check.that(philox::word(seed, stream, index) == drawn(seed, stream, index), "word differs from definition");
  check.that(philox::uniform(~0u) == 1 - 0x1p-24f && philox::uniform(255) == 0.0f, "uniform: expected [0, 1) by 2^-24");
}

SPARROW_CHECK(elementwise, arithmetic_f32) { checkArithmetic<float>(check); }
SPARROW_CHECK(elementwise, arithmetic_bf16) { checkArithmetic<bf16>(check); }
SPARROW_CHECK(elementwise, dropout_f32) { checkDropout<float>(check); }
SPARROW_CHECK(elementwise, dropout_bf16) { checkDropout<bf16>(check); }

SPARROW_CHECK(elementwise, fill_i32) {
  for (const Shape& s : SHAPES) {
    device::Buffer<int> ints(s.offset + s.n);
    device::launch(fill_i32, s.blocks, s.threads, 0, 0x7fffffef, ints.data() + s.offset, s.n);  // no float holds it
    check.equal("fill" + name(s), window(ints, s), std::vector<int>(s.n, 0x7fffffef));
  }
}

// Where the windows of x and out start: together, apart by what no boundary mends, and apart by what one does.
struct Windows { int x, out; };
const Windows WINDOWS[] = {{0, 0}, {3, 3}, {1, 2}, {4, 8}, {7, 7}, {5, 9}, {6, 2}, {9, 13}};

// What lies around the window of out must keep its poison.
template <typename T, typename U>
void checkMove(test::Check& check, const std::string& what, void (*kernel)(const T*, U*, long long), const Shape& s,
               const Windows& at, const std::vector<T>& x, const std::vector<U>& expected) {
  std::vector<T> all(at.x + s.n);
  std::copy(x.begin(), x.end(), all.begin() + at.x);
  device::Buffer<T> X(all);
  device::Buffer<U> OUT(at.out + s.n + 5), untouched(at.out + s.n + 5);
  device::launch(kernel, s.blocks, s.threads, 0, X.data() + at.x, OUT.data() + at.out, s.n);
  auto whole = untouched.toHost();
  std::copy(expected.begin(), expected.end(), whole.begin() + at.out);
  std::string windows = " from " + std::to_string(at.x) + " to " + std::to_string(at.out);
  check.identical(what + name(s) + windows, OUT.toHost(), whole);
}

SPARROW_CHECK(elementwise, windows_are_converted_wherever_they_start) {
  for (const Shape& s : SHAPES)
    for (const Windows& at : WINDOWS) {
      auto x = check.normal<float>(s.n);
      std::vector<bf16> narrow;
      std::vector<float> widened;
      for (float v : x) narrow.push_back(fromFloat<bf16>(v)), widened.push_back(toFloat(narrow.back()));
      checkMove(check, "narrowed", convert_f32_bf16, s, at, x, narrow);
      checkMove(check, "widened", convert_bf16_f32, s, at, narrow, widened);
    }
}

}  // namespace
