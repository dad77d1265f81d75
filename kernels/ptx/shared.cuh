// Addresses of shared memory as instructions want them. Device only.
#pragma once

namespace ptx {

__device__ __forceinline__ unsigned sharedAddress(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

}  // namespace ptx
