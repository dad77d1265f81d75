// How a launch's arguments lie in the caller's memory.
//
// A real driver reads kernelParams[0..n-1], pointers to the values, and knows n and the sizes from the kernel. This one
// also wants to know what the caller believes. Behind the n pointers therefore stand n more, the address one past each
// value, the last value's first, and then a null; the values themselves follow each other as C aligns them, structs at
// multiples of 64. ArgumentBlock.java lays them so, and every other caller of cuLaunchKernel has to as well.
#pragma once

#include "emulate/driver/registry.h"

namespace driver {

// Throws Refusal with kernel, argument, and the bytes expected and got.
void requireArguments(const Kernel& kernel, void* const* pointers);

}  // namespace driver
