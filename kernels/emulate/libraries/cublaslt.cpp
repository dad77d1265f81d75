// A stand-in for libcublasLt in tests: the functions that the CUDA backend calls, for bf16 products with fp32 sums. It refuses
// what the library would refuse, and some of what it would let pass, and multiplies plainly on the host when the stream gets
// there. Signatures, numbers and sizes: cublasLt.h, cublas_api.h and library_types.h of CUDA 12 and 13; what each attribute means
// and which types go together: cuBLAS documentation, "cuBLASLt Datatypes Reference" and "cublasLtMatmul()".
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "driver_calls.h"

using namespace library;

namespace {

enum Status { SUCCESS = 0, NOT_INITIALIZED = 1, ALLOC_FAILED = 3, INVALID_VALUE = 7, ARCH_MISMATCH = 8, MAPPING_ERROR = 11,
              EXECUTION_FAILED = 13, INTERNAL_ERROR = 14, NOT_SUPPORTED = 15, LICENSE_ERROR = 16 };
enum { R_32F = 0, R_16BF = 14, COMPUTE_32F = 68, OP_N = 0, OP_T = 1, EPILOGUE_DEFAULT = 1, EPILOGUE_BIAS = 4 };
enum { SCHEME_COMPUTE_TYPE = 2, SCHEME_MASK = 7 };

enum Kind : uint64_t { NOTHING = 0, HANDLE = 0x1001, DESC = 0x1002, LAYOUT = 0x1003, PREFERENCE = 0x1004, ALGO = 0x1005 };

struct Handle { Kind kind = HANDLE; void* context; };

struct Desc {
  Kind kind = DESC;
  int transA = OP_N, transB = OP_N, epilogue = EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};

struct Layout { Kind kind = LAYOUT; int type; uint64_t rows, columns; int64_t ld; };

struct Preference {
  Kind kind = PREFERENCE;
  uint64_t workspaceBytes = 0;
  uint32_t schemes = SCHEME_MASK;
  uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C, D
};

// What cublasLtMatmul finds of the plan that the heuristic made; 64 bytes, opaque to the caller.
struct Algo {
  uint64_t kind, problem, workspaceBytes;
  uint32_t alignment[4], biasAlignment, parts;
  uint64_t reserved[2];
};
static_assert(sizeof(Algo) == 64);

struct Result { Algo algo; size_t workspaceBytes; int state; float waves; int reserved[4]; };
static_assert(sizeof(Result) == 96 && offsetof(Result, workspaceBytes) == 64 && offsetof(Result, state) == 72);

// What tests set; see the end.
bool refuseAll = false;
int delayMillis = 0;
int nextStatus = SUCCESS;
long long products = 0;

template <typename T>
bool is(const T* object, Kind kind) { return object != nullptr && object->kind == kind; }

Status refuse(const std::string& why, Status status = INVALID_VALUE) {
  std::fprintf(stderr, "stand-in of cuBLASLt: %s\n", why.c_str());
  return status;
}

template <typename T>
int destroy(T* object, Kind kind) {
  if (!is(object, kind)) return refuse("destroys what is not alive");
  object->kind = NOTHING;
  delete object;
  return SUCCESS;
}

template <typename T>
int set(T& field, const void* value, size_t bytes) {
  if (value == nullptr || bytes != sizeof(T)) return refuse("an attribute's size is not " + std::to_string(sizeof(T)));
  std::memcpy(&field, value, bytes);
  return SUCCESS;
}

uint32_t alignmentOf(const void* address) {
  uint64_t bits = uint64_t(address) | 256;
  return uint32_t(bits & -bits);
}

// Sizes of the product that descriptor and layouts describe together.
struct Problem {
  const Desc& desc;
  const Layout &a, &b, &c, &d;
  uint64_t m() const { return d.rows; }
  uint64_t n() const { return d.columns; }
  uint64_t k() const { return desc.transA == OP_T ? a.rows : a.columns; }

  int check() const {
    for (int operation : {desc.transA, desc.transB})
      if (operation != OP_N && operation != OP_T) return refuse("an operation that is neither N nor T");
    for (const Layout* l : {&a, &b, &c, &d})
      if (l->rows < 1 || l->columns < 1 || l->ld < int64_t(l->rows)) return refuse("a layout's ld is less than its rows");
    uint64_t rowsA = desc.transA == OP_T ? a.columns : a.rows;
    uint64_t depthB = desc.transB == OP_T ? b.columns : b.rows, columnsB = desc.transB == OP_T ? b.rows : b.columns;
    if (rowsA != m() || columnsB != n() || depthB != k() || c.rows != m() || c.columns != n())
      return refuse("the layouts do not fit each other");
    if (a.type != R_16BF || b.type != R_16BF || c.type != d.type || (d.type != R_16BF && d.type != R_32F))
      return refuse("types", NOT_SUPPORTED);
    if (desc.epilogue != EPILOGUE_DEFAULT && desc.epilogue != EPILOGUE_BIAS) return refuse("epilogue", NOT_SUPPORTED);
    if (desc.epilogue == EPILOGUE_BIAS && desc.bias == nullptr) return refuse("a bias without its pointer");
    return SUCCESS;
  }

  uint64_t hash() const {
    uint64_t h = 14695981039346656037u;
    auto add = [&](uint64_t value) { h = (h ^ value) * 1099511628211u; };
    for (const Layout* l : {&a, &b, &c, &d})
      for (uint64_t value : {uint64_t(l->type), l->rows, l->columns, uint64_t(l->ld)}) add(value);
    for (int value : {desc.transA, desc.transB, desc.epilogue}) add(uint64_t(value));
    return h;
  }
};

// One product, with all that it needs copied when it is queued, as the library does.
struct Job {
  bool keep;  // a graph runs it again
  int transA, transB, typeD;
  int delayMillis;
  uint64_t m, n, k, parts;
  int64_t lda, ldb, ldd;
  const uint16_t *a, *b, *bias;
  const void* c;
  void* d;
  float alpha, beta, *workspace;

  static void run(void* self) {
    Job* job = static_cast<Job*>(self);
    std::this_thread::sleep_for(std::chrono::milliseconds(job->delayMillis));
    job->multiply();
    if (!job->keep) delete job;
  }

  float atA(uint64_t i, uint64_t p) const { return fromBf16(transA == OP_T ? a[i * lda + p] : a[p * lda + i]); }
  float atB(uint64_t p, uint64_t j) const { return fromBf16(transB == OP_T ? b[p * ldb + j] : b[j * ldb + p]); }

  void multiply() {
    std::vector<float> wideA(m * k), wideB(n * k);  // depth innermost
    for (uint64_t i = 0; i < m; i++) for (uint64_t p = 0; p < k; p++) wideA[i * k + p] = atA(i, p);
    for (uint64_t j = 0; j < n; j++) for (uint64_t p = 0; p < k; p++) wideB[j * k + p] = atB(p, j);
    for (uint64_t j = 0; j < n; j++)
      for (uint64_t i = 0; i < m; i++) {
        float sum = 0;
        for (uint64_t part = 0; part < parts; part++) {
          float own = 0;
          for (uint64_t p = k * part / parts; p < k * (part + 1) / parts; p++) own += wideA[i * k + p] * wideB[j * k + p];
          if (parts > 1) workspace[(part * n + j) * m + i] = own;
          sum += own;
        }
        store(i, j, alpha * sum);
      }
  }

  void store(uint64_t i, uint64_t j, float value) {
    uint64_t at = j * ldd + i;
    if (beta != 0) value += beta * (typeD == R_32F ? static_cast<const float*>(c)[at] : fromBf16(static_cast<const uint16_t*>(c)[at]));
    if (bias != nullptr) value += fromBf16(bias[i]);
    if (typeD == R_32F) static_cast<float*>(d)[at] = value;
    else static_cast<uint16_t*>(d)[at] = toBf16(value);
  }
};

}  // namespace

SPARROW_LIBRARY_API size_t cublasLtGetVersion() { return 130100; }

SPARROW_LIBRARY_API const char* cublasLtGetStatusName(int status) {
  switch (status) {
    case SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case ARCH_MISMATCH: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case MAPPING_ERROR: return "CUBLAS_STATUS_MAPPING_ERROR";
    case EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    case LICENSE_ERROR: return "CUBLAS_STATUS_LICENSE_ERROR";
    default: return "CUBLAS_STATUS_UNKNOWN";
  }
}

SPARROW_LIBRARY_API int cublasLtCreate(Handle** handle) {
  void* context = currentContext();
  if (context == nullptr) return refuse("no context is current", NOT_INITIALIZED);
  if (handle == nullptr) return refuse("no place for the handle");
  *handle = new Handle;
  (*handle)->context = context;
  return SUCCESS;
}

SPARROW_LIBRARY_API int cublasLtDestroy(Handle* handle) { return destroy(handle, HANDLE); }

SPARROW_LIBRARY_API int cublasLtMatmulDescCreate(Desc** desc, int computeType, int scaleType) {
  if (computeType != COMPUTE_32F || scaleType != R_32F) return refuse("computes otherwise than in fp32", NOT_SUPPORTED);
  *desc = new Desc;
  return SUCCESS;
}

SPARROW_LIBRARY_API int cublasLtMatmulDescDestroy(Desc* desc) { return destroy(desc, DESC); }

SPARROW_LIBRARY_API int cublasLtMatmulDescSetAttribute(Desc* desc, int attribute, const void* value, size_t bytes) {
  if (!is(desc, DESC)) return refuse("not a matmul descriptor");
  switch (attribute) {
    case 3: return set(desc->transA, value, bytes);
    case 4: return set(desc->transB, value, bytes);
    case 7: return set(desc->epilogue, value, bytes);
    case 8: return set(desc->bias, value, bytes);
    default: return refuse("matmul attribute " + std::to_string(attribute));
  }
}

SPARROW_LIBRARY_API int cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t columns, int64_t ld) {
  *layout = new Layout;
  (*layout)->type = type;
  (*layout)->rows = rows;
  (*layout)->columns = columns;
  (*layout)->ld = ld;
  return SUCCESS;
}

SPARROW_LIBRARY_API int cublasLtMatrixLayoutDestroy(Layout* layout) { return destroy(layout, LAYOUT); }

SPARROW_LIBRARY_API int cublasLtMatmulPreferenceCreate(Preference** preference) {
  *preference = new Preference;
  return SUCCESS;
}

SPARROW_LIBRARY_API int cublasLtMatmulPreferenceDestroy(Preference* preference) { return destroy(preference, PREFERENCE); }

SPARROW_LIBRARY_API int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* value,
                                                             size_t bytes) {
  if (!is(preference, PREFERENCE)) return refuse("not a preference");
  switch (attribute) {
    case 1: return set(preference->workspaceBytes, value, bytes);
    case 3: return set(preference->schemes, value, bytes);
    case 5: case 6: case 7: case 8: {
      uint32_t& alignment = preference->alignment[attribute - 5];
      int status = set(alignment, value, bytes);
      if (status == SUCCESS && (alignment == 0 || (alignment & (alignment - 1)) != 0)) return refuse("not a power of two");
      return status;
    }
    default: return refuse("preference " + std::to_string(attribute));
  }
}

// Cuts a deep product in two where a workspace is allowed, so that there is something to check about it.
SPARROW_LIBRARY_API int cublasLtMatmulAlgoGetHeuristic(Handle* handle, Desc* desc, Layout* a, Layout* b, Layout* c, Layout* d,
                                                       Preference* preference, int requested, Result* results, int* returned) {
  if (!is(handle, HANDLE)) return refuse("not a handle", NOT_INITIALIZED);
  if (!is(desc, DESC) || !is(a, LAYOUT) || !is(b, LAYOUT) || !is(c, LAYOUT) || !is(d, LAYOUT) || !is(preference, PREFERENCE))
    return refuse("a descriptor is not one");
  if (requested < 1 || results == nullptr || returned == nullptr) return refuse("no place for a result");
  *returned = 0;
  Problem problem{*desc, *a, *b, *c, *d};
  int status = problem.check();
  if (status != SUCCESS) return status;
  if (refuseAll) return NOT_SUPPORTED;
  Result& result = results[0];
  std::memset(&result, 0, sizeof result);
  uint64_t splitBytes = 2 * problem.m() * problem.n() * sizeof(float);
  bool allowed = (preference->schemes & SCHEME_COMPUTE_TYPE) != 0 && splitBytes <= preference->workspaceBytes;
  bool splits = problem.k() >= 512 && allowed;
  result.workspaceBytes = splits ? splitBytes : 0;
  result.algo = {ALGO, problem.hash(), result.workspaceBytes, {}, 0, splits ? 2u : 1u, {}};
  std::memcpy(result.algo.alignment, preference->alignment, sizeof preference->alignment);
  result.algo.biasAlignment = desc->epilogue == EPILOGUE_BIAS ? alignmentOf(desc->bias) : 1;
  *returned = 1;
  return SUCCESS;
}

SPARROW_LIBRARY_API int cublasLtMatmul(Handle* handle, Desc* desc, const float* alpha, const void* a, Layout* layoutA,
                                       const void* b, Layout* layoutB, const float* beta, const void* c, Layout* layoutC, void* d,
                                       Layout* layoutD, const Algo* algo, void* workspace, size_t workspaceBytes, void* stream) {
  if (!is(handle, HANDLE)) return refuse("not a handle", NOT_INITIALIZED);
  if (nextStatus != SUCCESS) return std::exchange(nextStatus, int(SUCCESS));
  if (alpha == nullptr || beta == nullptr) return refuse("no factors");
  if (handle->context != currentContext()) return refuse("the handle's context is not current");
  if (!is(desc, DESC) || !is(layoutA, LAYOUT) || !is(layoutB, LAYOUT) || !is(layoutC, LAYOUT) || !is(layoutD, LAYOUT))
    return refuse("a descriptor is not one");
  Problem problem{*desc, *layoutA, *layoutB, *layoutC, *layoutD};
  int status = problem.check();
  if (status != SUCCESS) return status;
  if (algo == nullptr || algo->kind != ALGO || algo->problem != problem.hash())
    return refuse("the algorithm is another product's");
  const void* operands[] = {a, b, c, d};
  for (int i = 0; i < 4; i++) {
    if (operands[i] == nullptr) return refuse("an operand is null");
    if (alignmentOf(operands[i]) < algo->alignment[i]) return refuse("an operand is less aligned than was promised");
  }
  bool hasBias = desc->epilogue == EPILOGUE_BIAS;
  if (hasBias && alignmentOf(desc->bias) < algo->biasAlignment) return refuse("the bias is less aligned than was promised");
  if (*beta != 0 && c != d && layoutC->ld != layoutD->ld) return refuse("adds a matrix of another layout", NOT_SUPPORTED);
  if (workspaceBytes < algo->workspaceBytes || (workspaceBytes > 0 && (workspace == nullptr || alignmentOf(workspace) < 256)))
    return refuse("the workspace is too small or not aligned to 256 bytes");
  int capturing = 0;
  if (DriverCalls::get().streamIsCapturing(stream, &capturing) != 0) return refuse("not a stream of this context");
  auto* job = new Job;
  job->keep = capturing != 0;
  job->delayMillis = delayMillis;
  job->transA = desc->transA;
  job->transB = desc->transB;
  job->typeD = layoutD->type;
  job->m = problem.m();
  job->n = problem.n();
  job->k = problem.k();
  job->parts = algo->parts;
  job->lda = layoutA->ld;
  job->ldb = layoutB->ld;
  job->ldd = layoutD->ld;
  job->a = static_cast<const uint16_t*>(a);
  job->b = static_cast<const uint16_t*>(b);
  job->bias = hasBias ? static_cast<const uint16_t*>(desc->bias) : nullptr;
  job->c = c;
  job->d = d;
  job->alpha = *alpha;
  job->beta = *beta;
  job->workspace = static_cast<float*>(workspace);
  if (DriverCalls::get().launchHostFunc(stream, Job::run, job) != 0) return refuse("the driver refuses", EXECUTION_FAILED);
  products++;
  return SUCCESS;
}

// For tests: products queued so far, by one thread.
SPARROW_LIBRARY_API long long sparrowCublasLtProducts() { return products; }

// For tests: from now on the heuristic has an answer to nothing (1), or to all again (0).
SPARROW_LIBRARY_API void sparrowCublasLtRefuse(int refuse) { refuseAll = refuse != 0; }

// For tests: products that are queued from now on take so much longer.
SPARROW_LIBRARY_API void sparrowCublasLtDelay(int millis) { delayMillis = millis; }

// For tests: the next cublasLtMatmul does nothing and answers this status.
SPARROW_LIBRARY_API void sparrowCublasLtFail(int status) { nextStatus = status; }
