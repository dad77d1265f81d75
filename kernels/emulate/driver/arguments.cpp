#include "emulate/driver/arguments.h"

#include <algorithm>

#include "emulate/driver/report.h"

namespace driver {

namespace {

constexpr size_t MOST_ARGUMENTS = 128;

// How many arguments the caller laid down, or MOST_ARGUMENTS + 1 where the null is missing.
size_t countOf(void* const* pointers) {
  size_t slots = 0;
  while (slots <= 2 * MOST_ARGUMENTS && pointers[slots] != nullptr) slots++;
  return slots % 2 == 0 && slots <= 2 * MOST_ARGUMENTS ? slots / 2 : MOST_ARGUMENTS + 1;
}

std::string place(size_t bytes, size_t offset) {
  return std::to_string(bytes) + " bytes at offset " + std::to_string(offset);
}

}  // namespace

void requireArguments(const Kernel& kernel, void* const* pointers) {
  auto refuse = [&](const std::string& text) { throw Refusal(CUDA_ERROR_INVALID_VALUE, kernel.name + ": " + text); };
  if (pointers == nullptr) refuse("no arguments (kernelParams is null)");
  size_t expected = kernel.parameters.size(), count = countOf(pointers);
  if (count > MOST_ARGUMENTS)
    refuse("behind the pointers to the arguments their ends are missing (see emulate/driver/arguments.h)");
  for (size_t i = 0; i < std::min(count, expected); i++) {
    auto* start = static_cast<unsigned char*>(pointers[i]);
    size_t offset = size_t(start - static_cast<unsigned char*>(pointers[0]));
    size_t bytes = size_t(static_cast<unsigned char*>(pointers[2 * count - 1 - i]) - start);
    const Parameter& parameter = kernel.parameters[i];
    if (bytes != parameter.bytes || offset != parameter.offset)
      refuse("argument " + std::to_string(i) + ": expected " + place(parameter.bytes, parameter.offset) + ", got " +
             place(bytes, offset));
  }
  if (count < expected)
    refuse("argument " + std::to_string(count) + ": expected " + std::to_string(kernel.parameters[count].bytes) +
           " bytes, got none; the kernel takes " + std::to_string(expected) + " arguments");
  if (count > expected)
    refuse("argument " + std::to_string(expected) + ": expected none, got one more; the kernel takes " +
           std::to_string(expected) + " arguments");
}

}  // namespace driver
