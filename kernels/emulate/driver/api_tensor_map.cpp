// cuTensorMapEncodeTiled: checks what the driver API's documentation demands. No emulated kernel reads a tensor map, so
// that the 128 bytes only have to differ where the tensors do.
#include <cstring>

#include "emulate/driver/driver.h"

using namespace driver;

namespace {

// Bytes of an element by CUtensorMapDataType: u8 u16 u32 i32 u64 i64 f16 f32 f64 bf16 f32-ftz tf32 tf32-ftz.
constexpr unsigned ELEMENT_BYTES[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
constexpr unsigned SWIZZLE_BYTES[] = {0xffffffffu, 32, 64, 128};  // that the innermost box may have

void require(bool holds, const char* expected, unsigned long long got) {
  if (!holds)
    throw Refusal(CUDA_ERROR_INVALID_VALUE, std::string("expected ") + expected + ", got " + std::to_string(got));
}

struct Image {
  char mark[8];
  CUdeviceptr address;
  uint64_t dims[5], strides[4];
  uint32_t box[5];
  uint8_t elementStrides[5], type, rank, swizzle;
};
static_assert(sizeof(Image) <= 128, "what fits into a tensor map");

}  // namespace

SPARROW_CUDA_API CUresult cuTensorMapEncodeTiled(void* map, int type, unsigned rank, void* address, const uint64_t* dims,
                                                 const uint64_t* strides, const uint32_t* box,
                                                 const uint32_t* elementStrides, int interleave, int swizzle,
                                                 int l2Promotion, int outOfBounds) {
  return call("cuTensorMapEncodeTiled", [&](Driver&, auto&) {
    auto at = reinterpret_cast<uintptr_t>(map), from = reinterpret_cast<uintptr_t>(address);
    require(map != nullptr && at % 64 == 0, "a map aligned to 64", at);
    require(type >= 0 && type <= 12, "a data type of 0..12", unsigned(type));
    require(rank >= 1 && rank <= 5, "a rank of 1..5", rank);
    require(from != 0 && from % 16 == 0, "an address that is a multiple of 16", from);
    require(interleave == 0, "no interleaving (it is not emulated)", unsigned(interleave));
    require(swizzle >= 0 && swizzle <= 3, "a swizzle of 0..3", unsigned(swizzle));
    require(l2Promotion >= 0 && l2Promotion <= 3, "an L2 promotion of 0..3", unsigned(l2Promotion));
    require(outOfBounds >= 0 && outOfBounds <= 1, "an out-of-bounds fill of 0..1", unsigned(outOfBounds));
    Image image{{'s', 'p', 'a', 'r', 'r', 'o', 'w', 0}, from, {}, {}, {}, {}, uint8_t(type), uint8_t(rank), uint8_t(swizzle)};
    for (unsigned i = 0; i < rank; i++) {
      require(dims[i] >= 1 && dims[i] <= 1ull << 32, "a dimension of 1..2^32", dims[i]);
      require(box[i] >= 1 && box[i] <= 256, "a box size of 1..256", box[i]);
      require(elementStrides[i] >= 1 && elementStrides[i] <= 8, "an element stride of 1..8", elementStrides[i]);
      image.dims[i] = dims[i];
      image.box[i] = box[i];
      image.elementStrides[i] = uint8_t(elementStrides[i]);
    }
    for (unsigned i = 0; i + 1 < rank; i++) {
      require(strides[i] % 16 == 0 && strides[i] < 1ull << 40, "a stride that is a multiple of 16 below 2^40", strides[i]);
      image.strides[i] = strides[i];
    }
    unsigned inner = box[0] * ELEMENT_BYTES[type];
    require(inner % 16 == 0, "an innermost box of a multiple of 16 bytes", inner);
    require(inner <= SWIZZLE_BYTES[swizzle], "an innermost box within the swizzle's span", inner);
    std::memset(map, 0, 128);
    std::memcpy(map, &image, sizeof image);
  });
}
