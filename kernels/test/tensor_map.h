// Tensor maps for the checks and benchmarks, encoded by the driver. Device only.
#pragma once

#include <cuda.h>
#include <dlfcn.h>

#include <stdexcept>
#include <string>

#include "common/types.cuh"
#include "ptx/tensor_copy.cuh"

namespace device {

// A map of bf16 (groups, rows, columns) with rows stride elements apart and groups groupStride elements apart; boxes of 64
// columns by boxRows rows, swizzled by 128 bytes, zeros outside.
inline TensorMap tensorMap(const bf16* data, long long columns, long long rows, long long groups, long long stride,
                           long long groupStride, int boxRows) {
  static auto encode = [] {
    void* driver = dlopen("libcuda.so.1", RTLD_NOW);
    void* symbol = driver == nullptr ? nullptr : dlsym(driver, "cuTensorMapEncodeTiled");
    if (symbol == nullptr) throw std::runtime_error("libcuda.so.1 has no cuTensorMapEncodeTiled");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(symbol);
  }();
  const cuuint64_t sizes[] = {cuuint64_t(columns), cuuint64_t(rows), cuuint64_t(groups)};
  const cuuint64_t strides[] = {cuuint64_t(stride) * 2, cuuint64_t(groupStride) * 2};
  const cuuint32_t box[] = {64, cuuint32_t(boxRows), 1}, steps[] = {1, 1, 1};
  CUtensorMap map;
  CUresult result = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<bf16*>(data), sizes, strides, box, steps,
                           CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                           CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw std::runtime_error("cuTensorMapEncodeTiled: error " + std::to_string(int(result)));
  TensorMap copy;
  static_assert(sizeof copy == sizeof map, "a tensor map has 128 bytes");
  memcpy(&copy, &map, sizeof copy);
  return copy;
}

// The maps of an operand as the kernels of gemm/hopper_gemm.cu take it: edge rows of k, or k rows of edge.
inline TensorMap operandMap(const bf16* data, bool depthContiguous, long long edge, long long depth, long long groups,
                            long long stride, long long groupStride, int tileEdge) {
  return depthContiguous ? tensorMap(data, depth, edge, groups, stride, groupStride, tileEdge)
                         : tensorMap(data, edge, depth, groups, stride, groupStride, 64);
}

}  // namespace device
