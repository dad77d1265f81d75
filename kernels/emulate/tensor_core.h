// Host emulation of the warp-wide instructions behind ptx/: fragments laid out as in the PTX ISA,
// "Warp Level Matrix Instructions". Included by the wrappers only.
#pragma once

#include "emulate/simt.h"

namespace emulate {

// The two elements of a register.
inline void unpack(unsigned pair, double* to, size_t apart = 1) {
  to[0] = __uint_as_float(pair << 16);
  to[apart] = __uint_as_float(pair & 0xffff0000u);
}

struct Mma { float* d; const unsigned* a; const unsigned* b; const float* c; };

// D = A·B + D. Products are summed in double, in the order of k, and rounded once; so wider vectors give the same bits.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
__attribute__((target_clones("avx2", "default")))
#endif
static void multiply16816(const double (&A)[16][16], const double (&B)[16][8], float (&D)[16][8]) {
  for (int m = 0; m < 16; m++) {
    double sums[8];
    for (int n = 0; n < 8; n++) sums[n] = D[m][n];
    for (int k = 0; k < 16; k++)
      for (int n = 0; n < 8; n++) sums[n] += A[m][k] * B[k][n];
    for (int n = 0; n < 8; n++) D[m][n] = float(sums[n]);
  }
}

// mma.m16n8k16: lane = 4 g + t holds A (rows g, g+8; columns 2t, 2t+1, 2t+8, 2t+9), B (the same rows k, column g),
// C (rows g, g+8; columns 2t, 2t+1).
inline void mma16816(float* d, const unsigned* a, const unsigned* b, const float* c) {
  Mma record{d, a, b, c};
  collective("mma.m16n8k16", 0xffffffffu, [](void* const* records, unsigned) {
    static double A[16][16], B[16][8];
    static float D[16][8];
    for (int lane = 0; lane < WARP; lane++) {
      auto* r = static_cast<Mma*>(records[lane]);
      int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; i++) unpack(r->a[i], &A[g + i % 2 * 8][2 * t + i / 2 * 8]);
      for (int i = 0; i < 2; i++) unpack(r->b[i], &B[2 * t + i * 8][g], 8);
      for (int i = 0; i < 2; i++) std::memcpy(&D[g + i * 8][2 * t], r->c + 2 * i, 8);
    }
    multiply16816(A, B, D);
    for (int lane = 0; lane < WARP; lane++) {
      auto* r = static_cast<Mma*>(records[lane]);
      for (int i = 0; i < 2; i++) std::memcpy(r->d + 2 * i, &D[lane / 4 + i * 8][2 * (lane % 4)], 8);
    }
  }, &record);
}

struct LoadMatrix { unsigned* registers; const void* row; };

// ldmatrix: lane 8 m + r passes the address of row r of matrix m; register m of a lane gets two elements of it.
template <int MATRICES, bool TRANSPOSED>
void loadMatrices(unsigned* registers, const void* row) {
  if (emulate::lane() < 8 * MATRICES && reinterpret_cast<uintptr_t>(row) % 16 != 0)
    fail("ldmatrix: the address of a row is not a multiple of 16 bytes");
  LoadMatrix record{registers, row};
  collective("ldmatrix", 0xffffffffu, [](void* const* records, unsigned) {
    for (int m = 0; m < MATRICES; m++) {
      unsigned short tile[8][8];
      for (int r = 0; r < 8; r++) std::memcpy(tile[r], static_cast<LoadMatrix*>(records[8 * m + r])->row, 16);
      for (int lane = 0; lane < WARP; lane++) {
        int i = lane / 4, j = 2 * (lane % 4);
        unsigned low = TRANSPOSED ? tile[j][i] : tile[i][j], high = TRANSPOSED ? tile[j + 1][i] : tile[i][j + 1];
        static_cast<LoadMatrix*>(records[lane])->registers[m] = low | high << 16;
      }
    }
  }, &record);
}

inline void startCopy(void* to, const void* from, bool valid) {
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0 || (valid && reinterpret_cast<uintptr_t>(from) % 16 != 0))
    fail("cp.async: an address is not a multiple of 16 bytes");
  if (const SharedChunk* chunk = sharedChunk(to); chunk != nullptr && chunk->readers > 0)
    fail("cp.async: writes what a product in flight reads");
  self->openCopies.push_back({to, valid ? from : nullptr, 16});
}

inline void commitCopies() {
  self->copyGroups.push_back(std::move(self->openCopies));
  self->openCopies.clear();
}

// Waits until at most `pending` of the newest groups are unfinished.
inline void waitCopies(size_t pending) {
  while (self->copyGroups.size() > pending) {
    performCopies(self->copyGroups.front());
    self->copyGroups.erase(self->copyGroups.begin());
  }
}

}  // namespace emulate
