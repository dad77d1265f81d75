// What the driver says on stderr, beside the code that it answers.
#pragma once

#include <stdexcept>
#include <string>

#include "emulate/driver/abi.h"

namespace driver {

// A call is answered with code; text, where there is one, goes to stderr.
struct Refusal : std::runtime_error {
  Refusal(CUresult code_, const std::string& text) : std::runtime_error(text), code(code_) {}
  CUresult code;
};

// Work on the device failed; its context is lost.
struct DeviceFailure : std::runtime_error {
  DeviceFailure(CUresult code_, const std::string& text) : std::runtime_error(text), code(code_) {}
  CUresult code;
};

// Writes one line, and keeps it for sparrowEmulatedLastReport. Any thread.
void report(const std::string& text);
// Keeps the lines without writing them, for tests that provoke them; answers what held before.
bool beQuiet(bool quiet);

std::string hex(const void* address);
std::string hex(CUdeviceptr address);

}  // namespace driver
