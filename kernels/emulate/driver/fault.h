// Turns a processor's fault in a kernel, such as a touch of untouchable memory, into a failure of its launch. Faults
// elsewhere, those of a JVM's threads among them, go on to whoever handled them before.
#pragma once

#include <string>

#include "emulate/driver/abi.h"

namespace driver {

struct Fault {
  bool happened = false;
  CUresult code = CUDA_SUCCESS;
  bool hasAddress = false;
  CUdeviceptr address = 0;
  std::string words;
};

// Called once, by the thread that runs kernels.
void catchFaults();

// The fault that ended the launch just now, if one did.
Fault takeFault();

}  // namespace driver
