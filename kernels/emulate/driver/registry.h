// The kernels of this library by name, with the layout of their arguments, taken from their C++ types.
//
// Generated code (see emulate/build.sh) includes a family's .cu and states SPARROW_KERNEL(name, launch bounds).
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace driver {

// By-value structs stand at multiples of this, as ArgumentBlock.java lays them; what is no struct stands as C aligns it.
constexpr size_t STRUCT_ALIGNMENT = 64;

struct Parameter { size_t offset, bytes; bool pointer; };

struct Kernel {
  std::string name;
  unsigned mostThreads;  // of a block: __launch_bounds__ or 1024
  std::vector<Parameter> parameters;
  size_t bytes;  // of all arguments with what aligns them
  void (*function)();
  void (*invoke)(void (*function)(), const unsigned char* arguments);
};

// The kernel of that name, or null.
const Kernel* findKernel(const std::string& name);
void addKernel(Kernel kernel);

template <typename... Parameters>
struct Signature {
  template <typename T>
  static constexpr size_t ALIGNMENT = std::is_class<T>::value ? STRUCT_ALIGNMENT : alignof(T);

  static constexpr std::array<Parameter, sizeof...(Parameters)> layout() {
    std::array<Parameter, sizeof...(Parameters)> result{};
    size_t index = 0, end = 0;
    auto place = [&](size_t bytes, size_t alignment, bool pointer) {
      size_t offset = (end + alignment - 1) / alignment * alignment;
      result[index++] = {offset, bytes, pointer};
      end = offset + bytes;
    };
    (place(sizeof(Parameters), ALIGNMENT<Parameters>, std::is_pointer<Parameters>::value), ...);
    return result;
  }

  template <size_t... I>
  static void call(void (*function)(Parameters...), const unsigned char* arguments, std::index_sequence<I...>) {
    constexpr auto at = layout();
    function(*reinterpret_cast<const Parameters*>(arguments + at[I].offset)...);
  }

  static void invoke(void (*function)(), const unsigned char* arguments) {
    call(reinterpret_cast<void (*)(Parameters...)>(function), arguments, std::index_sequence_for<Parameters...>{});
  }
};

template <typename... Others>
constexpr unsigned first(unsigned value, Others...) { return value; }

template <typename... Parameters>
bool registerKernel(const char* name, unsigned mostThreads, void (*kernel)(Parameters...)) {
  static_assert(sizeof...(Parameters) > 0, "a kernel without parameters leaves nothing to check");
  using Types = Signature<Parameters...>;
  constexpr auto layout = Types::layout();
  addKernel({name, mostThreads, {layout.begin(), layout.end()}, layout.back().offset + layout.back().bytes,
             reinterpret_cast<void (*)()>(kernel), Types::invoke});
  return true;
}

}  // namespace driver

#define SPARROW_KERNEL(name, ...) \
  static const bool registered_##name = driver::registerKernel(#name, driver::first(__VA_ARGS__), name);
