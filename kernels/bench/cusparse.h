// The few functions of cuSPARSE that serve as baseline, taken from the library at run time where one is installed.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/stopwatch.h"

namespace bench {

// A matrix in CSR on the device, with values in bf16.
struct Csr {
  int rows, columns;
  device::Buffer<int> starts, indices;
  const bf16* values;

  Csr(int rows, int columns, const std::vector<int>& starts, const std::vector<int>& indices, const bf16* values)
      : rows(rows), columns(columns), starts(starts), indices(indices), values(values) {}
};

class CuSparse {
 public:
  // Null where no library is found.
  static CuSparse* open() {
    static CuSparse instance;
    return instance.handle_ == nullptr ? nullptr : &instance;
  }

  // C (a.rows, n) = A·B by each algorithm for CSR that takes the call, after its preprocessing. B (a.columns, n) and C are stored
  // by rows, n apart, or by columns.
  std::vector<Body> multiply(const Csr& a, const bf16* b, bf16* c, int n, bool byRows) {
    std::vector<Body> bodies;
    for (int algorithm : {0, 4, 6, 12}) {  // default, CSR_ALG1, 2, 3
      auto call = std::make_shared<Call>();
      bool made = createCsr_(&call->sparse, a.rows, a.columns, (int64_t)a.indices.size(), a.starts, a.indices,
                             const_cast<bf16*>(a.values), INDEX_32, INDEX_32, 0, BF16) == 0 &&
                  dense(call->left, a.columns, n, b, BF16, byRows) && dense(call->right, a.rows, n, c, BF16, byRows);
      size_t bytes = 0;
      if (!made || spmmSize_(handle_, 0, 0, &ONE, call->sparse, call->left, &ZERO, call->right, F32, algorithm, &bytes) != 0) continue;
      call->buffer = std::make_unique<device::Buffer<unsigned char>>(bytes + 16);
      void* buffer = call->buffer->data();
      if (spmmPrepare_ != nullptr)
        spmmPrepare_(handle_, 0, 0, &ONE, call->sparse, call->left, &ZERO, call->right, F32, algorithm, buffer);
      Body body = [=] {
        require(spmm_(handle_, 0, 0, &ONE, call->sparse, call->left, &ZERO, call->right, F32, algorithm, buffer), "cusparseSpMM");
      };
      if (takes(body)) bodies.push_back(body);
    }
    return bodies;
  }

  // The samples dyᵀ·x at c's non-zeros: dy (batch, c.rows) and x (batch, c.columns) by rows, sums in fp32. It takes no bf16: the
  // operands' bits are read as fp16, which is as much work. Empty where it takes the call not at all.
  std::vector<Body> sample(const Csr& c, const bf16* dy, const bf16* x, float* values, int batch) {
    auto call = std::make_shared<Call>();
    bool made = createCsr_(&call->sparse, c.rows, c.columns, (int64_t)c.indices.size(), c.starts, c.indices, values, INDEX_32,
                           INDEX_32, 0, F32) == 0 &&
                dense(call->left, c.rows, batch, dy, F16, false) && dense(call->right, batch, c.columns, x, F16, true);
    size_t bytes = 0;
    if (!made || sddmmSize_(handle_, 0, 0, &ONE, call->left, call->right, &ONE, call->sparse, F32, 0, &bytes) != 0) return {};
    call->buffer = std::make_unique<device::Buffer<unsigned char>>(bytes + 16);
    void* buffer = call->buffer->data();
    if (sddmmPrepare_ != nullptr) sddmmPrepare_(handle_, 0, 0, &ONE, call->left, call->right, &ONE, call->sparse, F32, 0, buffer);
    Body body = [=] {
      require(sddmm_(handle_, 0, 0, &ONE, call->left, call->right, &ONE, call->sparse, F32, 0, buffer), "cusparseSDDMM");
    };
    return takes(body) ? std::vector<Body>{body} : std::vector<Body>{};
  }

 private:
  static constexpr int F32 = 0, F16 = 2, BF16 = 14;  // cudaDataType_t
  static constexpr int INDEX_32 = 2, BY_COLUMNS = 1, BY_ROWS = 2;
  static constexpr float ONE = 1, ZERO = 0;

  // Descriptors and workspace of a call, as long as its body lives. The library keeps no more of them than the process.
  struct Call {
    void *sparse = nullptr, *left = nullptr, *right = nullptr;
    std::unique_ptr<device::Buffer<unsigned char>> buffer;
  };

  using Create = int (*)(void**);
  using CreateCsr = int (*)(void**, int64_t, int64_t, int64_t, const void*, const void*, void*, int, int, int, int);
  using CreateDense = int (*)(void**, int64_t, int64_t, int64_t, const void*, int, int);
  using Size = int (*)(void*, int, int, const void*, void*, void*, const void*, void*, int, int, size_t*);
  using Run = int (*)(void*, int, int, const void*, void*, void*, const void*, void*, int, int, void*);

  CuSparse() {
    for (const char* name : {"libcusparse.so.13", "libcusparse.so.12", "libcusparse.so"}) {
      library_ = dlopen(name, RTLD_NOW);
      if (library_ == nullptr) continue;
      bool all = find("cusparseCreate", create_) && find("cusparseCreateCsr", createCsr_) && find("cusparseCreateDnMat", createDense_) &&
                 find("cusparseSpMM_bufferSize", spmmSize_) && find("cusparseSpMM", spmm_) &&
                 find("cusparseSDDMM_bufferSize", sddmmSize_) && find("cusparseSDDMM", sddmm_);
      find("cusparseSpMM_preprocess", spmmPrepare_), find("cusparseSDDMM_preprocess", sddmmPrepare_);
      if (all && create_(&handle_) == 0) return;
      handle_ = nullptr;
    }
  }

  template <class Function>
  bool find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
    return function != nullptr;
  }

  bool dense(void*& descriptor, int rows, int columns, const void* values, int type, bool byRows) {
    return createDense_(&descriptor, rows, columns, byRows ? columns : rows, values, type, byRows ? BY_ROWS : BY_COLUMNS) == 0;
  }

  static void require(int status, const char* call) {
    if (status != 0) throw std::runtime_error(std::string(call) + ": status " + std::to_string(status));
  }

  static bool takes(const Body& body) {
    try {
      body();
      device::synchronize();
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }

  void* library_ = nullptr;
  void* handle_ = nullptr;
  Create create_ = nullptr;
  CreateCsr createCsr_ = nullptr;
  CreateDense createDense_ = nullptr;
  Size spmmSize_ = nullptr, sddmmSize_ = nullptr;
  Run spmm_ = nullptr, spmmPrepare_ = nullptr, sddmm_ = nullptr, sddmmPrepare_ = nullptr;
};

}  // namespace bench
