#include "emulate/driver/registry.h"

#include <unordered_map>

namespace driver {

namespace {
std::unordered_map<std::string, Kernel>& kernels() {
  static auto& all = *new std::unordered_map<std::string, Kernel>;  // never destroyed: the device thread may outlive main
  return all;
}
}  // namespace

const Kernel* findKernel(const std::string& name) {
  auto found = kernels().find(name);
  return found == kernels().end() ? nullptr : &found->second;
}

void addKernel(Kernel kernel) {
  std::string name = kernel.name;
  kernels().emplace(std::move(name), std::move(kernel));
}

}  // namespace driver
