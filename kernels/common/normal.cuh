// The normal distribution function, for GELU wherever it is applied.
#pragma once

#include "common/types.cuh"

// Φ(x); erfc keeps the relative precision far on the left.
__device__ __forceinline__ float normalCdf(float x) { return 0.5f * erfcf(-0.70710678f * x); }
