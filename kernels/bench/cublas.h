// The few functions of cuBLAS that serve as baseline, taken from the library at run time where one is installed.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "common/types.cuh"

namespace bench {

class CuBlas {
 public:
  // Null where no library is found.
  static CuBlas* open() {
    static CuBlas instance;
    return instance.handle_ == nullptr ? nullptr : &instance;
  }

  // Row-major C (m, n) = op(A)·op(B), or += , in bf16 with fp32 accumulation; C is fp32 where floatOut says so.
  void multiply(bool transposeA, bool transposeB, int m, int n, int k, const bf16* a, int lda, const bf16* b, int ldb, void* c,
                bool floatOut, bool accumulate = false) {
    const int bf16Type = 14, f32Type = 0, compute32F = 68, defaultAlgorithm = -1;  // cudaDataType_t, cublasComputeType_t
    const float one = 1, old = accumulate;
    int status = gemm_(handle_, transposeB, transposeA, n, m, k, &one, b, bf16Type, ldb, a, bf16Type, lda, &old, c,
                       floatOut ? f32Type : bf16Type, n, compute32F, defaultAlgorithm);
    if (status != 0) throw std::runtime_error("cublasGemmEx: status " + std::to_string(status));
  }

 private:
  using Create = int (*)(void**);
  using Gemm = int (*)(void*, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int, const void*,
                       void*, int, int, int, int);

  CuBlas() {
    for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
      void* library = dlopen(name, RTLD_NOW);
      if (library == nullptr) continue;
      auto create = reinterpret_cast<Create>(dlsym(library, "cublasCreate_v2"));
      gemm_ = reinterpret_cast<Gemm>(dlsym(library, "cublasGemmEx"));
      if (create != nullptr && gemm_ != nullptr && create(&handle_) == 0) return;
      handle_ = nullptr;
    }
  }

  void* handle_ = nullptr;
  Gemm gemm_ = nullptr;
};

}  // namespace bench
