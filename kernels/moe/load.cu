// The experts' loads, kept on the device so that no step waits for the host.
//
//   load                      load_e = offsets_(e+1) - offsets_e, the assignments of expert e (offsets of moe/sort.cu)
//   load_balancing_gradient   dprobabilities_e = scale·load_e: what every token's probability of expert e receives from
//                             the load-balancing loss (Fedus et al. 2022, §2.2); scale is what is equal for all experts
//   add_load                  sums_e += load_e: over a step's micro-batches, for loss-free balancing (Wang et al. 2024)
//
// offsets (E + 1), load and sums (E) I32; dprobabilities (E) fp32.
//
// Launch contract: one-dimensional grid and block of any size; one block of 256 threads does.
#include "common/types.cuh"

namespace moeload {

// Calls body(e) for every expert.
template <typename Body>
__device__ __forceinline__ void forExperts(int expertCount, Body body) {
  for (int e = int(blockIdx.x * blockDim.x + threadIdx.x); e < expertCount; e += int(gridDim.x * blockDim.x)) body(e);
}

}  // namespace moeload

extern "C" __global__ void moe_load_i32(const int* offsets, int* load, int expertCount) {
  moeload::forExperts(expertCount, [&](int e) { load[e] = offsets[e + 1] - offsets[e]; });
}

extern "C" __global__ void moe_load_balancing_gradient_f32(const int* load, float scale, float* dprobabilities,
                                                           int expertCount) {
  moeload::forExperts(expertCount, [&](int e) { dprobabilities[e] = scale * float(load[e]); });
}

extern "C" __global__ void moe_add_load_i32(const int* load, int* sums, int expertCount) {
  moeload::forExperts(expertCount, [&](int e) { sums[e] += load[e]; });
}
