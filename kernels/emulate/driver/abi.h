// The types and numbers of the CUDA driver API that this library serves, as JCuda 12.6 was compiled against them. Stated
// here because a machine without a GPU need not have cuda.h. Values: CUDA Driver API 12, "Data types used by CUDA driver".
#pragma once

#include <cstddef>
#include <cstdint>

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphExec = struct CUgraphExec_st*;
using CUhostFn = void (*)(void*);
struct CUuuid { char bytes[16]; };

// Name without its prefix CUDA_, number, text.
#define SPARROW_CUDA_CODES(X)                                                                            \
  X(SUCCESS, 0, "no error")                                                                              \
  X(ERROR_INVALID_VALUE, 1, "invalid argument")                                                          \
  X(ERROR_OUT_OF_MEMORY, 2, "out of memory")                                                             \
  X(ERROR_NOT_INITIALIZED, 3, "initialization error")                                                    \
  X(ERROR_NO_DEVICE, 100, "no CUDA-capable device is detected")                                          \
  X(ERROR_INVALID_DEVICE, 101, "invalid device ordinal")                                                 \
  X(ERROR_INVALID_CONTEXT, 201, "invalid device context")                                                \
  X(ERROR_INVALID_HANDLE, 400, "invalid resource handle")                                                \
  X(ERROR_NOT_FOUND, 500, "named symbol not found")                                                      \
  X(ERROR_NOT_READY, 600, "device not ready")                                                            \
  X(ERROR_ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered")                              \
  X(ERROR_CONTEXT_IS_DESTROYED, 709, "context is destroyed")                                             \
  X(ERROR_HOST_MEMORY_ALREADY_REGISTERED, 712, "part or all of the requested memory range is already mapped") \
  X(ERROR_HOST_MEMORY_NOT_REGISTERED, 713, "pointer does not correspond to a registered memory region")  \
  X(ERROR_LAUNCH_FAILED, 719, "unspecified launch failure")                                              \
  X(ERROR_NOT_PERMITTED, 800, "operation not permitted")                                                 \
  X(ERROR_NOT_SUPPORTED, 801, "operation not supported")                                                 \
  X(ERROR_STREAM_CAPTURE_UNSUPPORTED, 900, "operation not permitted when stream is capturing")           \
  X(ERROR_STREAM_CAPTURE_INVALIDATED, 901, "operation failed due to a previous error during capture")    \
  X(ERROR_STREAM_CAPTURE_MERGE, 902, "operation would result in a merge of separate capture sequences")  \
  X(ERROR_STREAM_CAPTURE_UNMATCHED, 903, "capture was not ended in the same stream as it began")         \
  X(ERROR_STREAM_CAPTURE_UNJOINED, 904, "capturing stream has unjoined work")                            \
  X(ERROR_STREAM_CAPTURE_ISOLATION, 905, "dependency created on uncaptured work in another stream")      \
  X(ERROR_CAPTURED_EVENT, 907, "operation not permitted on an event last recorded in a capturing stream") \
  X(ERROR_STREAM_CAPTURE_WRONG_THREAD, 908, "attempt to terminate a thread-local capture sequence from another thread")

#define SPARROW_CUDA_CODE(name, number, text) constexpr CUresult CUDA_##name = number;
SPARROW_CUDA_CODES(SPARROW_CUDA_CODE)
#undef SPARROW_CUDA_CODE

enum : unsigned {
  CU_STREAM_DEFAULT = 0,
  CU_STREAM_NON_BLOCKING = 1,
  CU_EVENT_BLOCKING_SYNC = 1,
  CU_EVENT_DISABLE_TIMING = 2,
};

enum CaptureMode { CAPTURE_GLOBAL = 0, CAPTURE_THREAD_LOCAL = 1, CAPTURE_RELAXED = 2 };
enum CaptureStatus { CAPTURE_STATUS_NONE = 0, CAPTURE_STATUS_ACTIVE = 1, CAPTURE_STATUS_INVALIDATED = 2 };

enum DeviceAttribute {
  MAX_THREADS_PER_BLOCK = 1,
  MAX_BLOCK_DIM_X = 2,
  MAX_BLOCK_DIM_Y = 3,
  MAX_BLOCK_DIM_Z = 4,
  MAX_GRID_DIM_X = 5,
  MAX_GRID_DIM_Y = 6,
  MAX_GRID_DIM_Z = 7,
  MAX_SHARED_MEMORY_PER_BLOCK = 8,
  WARP_SIZE = 10,
  MULTIPROCESSOR_COUNT = 16,
  MAX_THREADS_PER_MULTIPROCESSOR = 39,
  UNIFIED_ADDRESSING = 41,
  COMPUTE_CAPABILITY_MAJOR = 75,
  COMPUTE_CAPABILITY_MINOR = 76,
  MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81,
  MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
};

enum FunctionAttribute {
  FUNCTION_MAX_THREADS_PER_BLOCK = 0,
  FUNCTION_SHARED_SIZE_BYTES = 1,
  FUNCTION_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
};

// Of every function that the library gives away; all else stays inside.
#define SPARROW_CUDA_API extern "C" __attribute__((visibility("default")))
