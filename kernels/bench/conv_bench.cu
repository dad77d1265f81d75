// Convolutions as implicit products against the dense product of as many operations, on patches that lie there already: what
// that leaves out is making them.
#include "bench/gemm.cuh"
#include "gemm/conv.cu"
#include "nn/sums.cu"
#include "nn/window.cu"

namespace {

using namespace bench;

struct Layer {
  int images, size, channels, out, kernel, stride;

  int outSize() const { return (size + 2 * (kernel / 2) - kernel) / stride + 1; }
  int rows() const { return images * size * size; }
  int outRows() const { return images * outSize() * outSize(); }
  int patch() const { return kernel * kernel * channels; }
  ConvWindow window() const { return {size, size, channels, kernel, stride, kernel / 2, outSize(), outSize()}; }
  std::string name(const char* what) const {
    return std::string("conv ") + what + " N" + std::to_string(images) + " " + std::to_string(size) + "x" + std::to_string(size) + " " +
           std::to_string(channels) + "->" + std::to_string(out) + " k" + std::to_string(kernel) + " s" + std::to_string(stride);
  }
};

// What gpu-core's ImplicitGemm launches.
class ConvLaunch {
 public:
  using Kernel = void (*)(GemmArguments, ConvWindow);

  // Of a product of m by n; large and small are its kernels, parts of its depth have their own C.
  ConvLaunch(Kernel large, Kernel small, bool takesLarge, GemmArguments g, ConvWindow window)
      : kernel_(takesLarge ? large : small), edge_(takesLarge ? 128 : 64), g_(g), window_(window) {}

  void operator()() const {
    int threads = edge_ == 128 ? conv::Large::THREADS : conv::Small::THREADS;
    int shared = edge_ == 128 ? conv::Large::SHARED_BYTES : conv::Small::SHARED_BYTES;
    long long most = 2ll * device::multiprocessors();
    device::enqueue(kernel_, int(std::min(most, tiles(g_.m, g_.n, edge_) * g_.groups)), threads, shared, g_, window_);
  }

  std::string name() const { return edge_ == 128 ? "implicit 128x128x32" : "implicit 64x64x32"; }

  static long long tiles(int m, int n, int edge) { return (long long)((m + edge - 1) / edge) * ((n + edge - 1) / edge); }
  static bool fills(int m, int n) { return n > 64 && tiles(m, n, 128) >= device::multiprocessors(); }

 private:
  Kernel kernel_;
  int edge_;
  GemmArguments g_;
  ConvWindow window_;
};

GemmArguments arguments(const bf16* a, int strideA, const bf16* b, int strideB, void* c, int m, int n, int k) {
  GemmArguments g = {};
  g.a = a, g.b = b, g.c = c;
  g.strideA = strideA, g.strideB = strideB, g.strideC = n;
  g.m = m, g.n = n, g.k = k, g.groups = 1;
  return g;
}

// A layer's operands, its patches, and results in both ways.
struct Memory {
  Layer l;
  Normal<bf16> x, w, dy;
  device::Buffer<bf16> patches, y, plainY, dx, plainPatches;
  Zeros<float> dw, plainDw;
  int parts;
  device::Buffer<float> shares;

  explicit Memory(const Layer& l)
      : l(l), x(size_t(l.rows()) * l.channels), w(size_t(l.out) * l.patch(), 1 / std::sqrt(float(l.patch()))),
        dy(size_t(l.outRows()) * l.out), patches(size_t(l.outRows()) * l.patch()), y(dy.size()), plainY(dy.size()), dx(x.size()),
        plainPatches(patches.size()), dw(w.size()), plainDw(w.size()), parts(partsOf(l)), shares(parts * w.size()) {
    overElements(patches_bf16, (long long)patches.size(), x.data(), patches.data(), l.patch(), l.window(), (long long)l.outRows());
  }

  static bool largeGradient(const Layer& l) { return std::min(l.out, l.patch()) > 64; }
  static int partsOf(const Layer& l) {
    long long tiles = ConvLaunch::tiles(l.out, l.patch(), largeGradient(l) ? 128 : 64);
    return int(std::max(1ll, std::min(2ll * device::multiprocessors() / tiles, l.outRows() / 512ll)));
  }

  ConvLaunch forward() const {
    return {conv_forward_bf16_128x128x32, conv_forward_bf16_64x64x32, ConvLaunch::fills(l.outRows(), l.out),
            arguments(x, l.channels, w, l.patch(), y.data(), l.outRows(), l.out, l.patch()), l.window()};
  }
  // One for each lattice of pixels.
  std::vector<ConvLaunch> backwardInput() const {
    std::vector<ConvLaunch> launches;
    for (int first = 0; first < l.stride * l.stride; first++) {
      ConvWindow window = l.window().with(first / l.stride, first % l.stride);
      const Lattice& lattice = window.lattice;
      int pixels = l.images * lattice.height * lattice.width;
      launches.push_back({conv_backward_input_bf16_128x128x32, conv_backward_input_bf16_64x64x32, ConvLaunch::fills(pixels, l.channels),
                          arguments(dy, l.out, w, l.patch(), dx.data(), pixels, l.channels, lattice.taps() * l.out), window});
    }
    return launches;
  }
  ConvLaunch shareOfWeight() const {
    GemmArguments g = arguments(dy, l.out, x, l.channels, shares.data(), l.out, l.patch(), l.outRows());
    g.groups = parts;
    g.groupStrideC = (long long)w.size();
    return {conv_backward_weight_f32_128x128x32, conv_backward_weight_f32_64x64x32, largeGradient(l), g, l.window()};
  }
  Body backwardWeight() const {
    ConvLaunch launch = shareOfWeight();
    const float* from = shares;
    float* to = dw;
    int count = parts;
    long long n = (long long)w.size();
    return [=] {
      launch();
      device::enqueue(add_partials_f32, int((n + 31) / 32), 256, 0, from, to, count, n, n);
    };
  }

  // The dense products on patches; of the input that of as many operations, whose result is the patches' gradient.
  Product dense(Form form) const {
    Product p = {form, l.outRows(), l.out, l.patch()};
    if (form == NT) p.a = patches, p.b = w, p.c = plainY.data();
    if (form == NN) p.n = l.patch(), p.k = l.out, p.a = dy, p.b = w, p.c = plainPatches.data();
    if (form == TN) p.m = l.out, p.n = l.patch(), p.k = l.outRows(), p.a = dy, p.b = patches, p.c = plainDw.data(), p.accumulate = true;
    return p;
  }

  void requireSameResults(const std::string& what) const {
    requireAllWritten(what, y, plainY, dx);
    requireSame(what + ", forward", y, plainY, 2e-3f, 0.008f);
    requireSame(what + ", weight gradient", dw, plainDw, 1e-4f * std::sqrt(float(l.outRows())), 1e-3f);
    device::Buffer<bf16> summed(dx.size());
    overElements(patches_backward_bf16, (long long)dx.size(), plainPatches.data(), l.patch(), summed.data(), l.window(), (long long)l.rows(), 0);
    float deviation = std::sqrt(float(l.out) / l.patch());
    requireSame(what + ", input gradient", dx, summed, 0.02f * deviation * l.kernel, 0.008f);
  }
};

Body baselineOf(const Product& p) {
  CuBlas* cublas = CuBlas::open();
  return cublas == nullptr ? Body(GemmLaunch(p)) : cublasOf(cublas, p);
}

// The three products of a layer, each against cuBLAS on patches, or without it this project's own product.
void layer(Report& report, Stopwatch& stopwatch, const Layer& l, Spread& ratios) {
  const char* whats[] = {"forward", "backward input", "backward weight"};
  bool wanted = false;
  for (const char* what : whats) wanted |= report.wants(l.name(what));
  if (!wanted) return;
  Memory memory(l);
  auto lattices = memory.backwardInput();
  Body backwardInput = [=] {
    for (const ConvLaunch& lattice : lattices) lattice();
  };
  Body ours[] = {memory.forward(), backwardInput, memory.backwardWeight()};
  std::string kernels[] = {memory.forward().name(), lattices[0].name(), memory.shareOfWeight().name()};
  for (Form form : {NT, NN, TN}) ours[form](), baselineOf(memory.dense(form))();
  memory.requireSameResults(l.name("of"));
  for (Form form : {NT, NN, TN}) {
    std::string name = l.name(whats[form]);
    if (!report.wants(name)) continue;
    Product p = memory.dense(form);
    auto times = stopwatch.turns({ours[form], baselineOf(p)});
    double baseline = rate(p.flops(), times[1].median(), TERAFLOPS);
    ratios.add(report.add({name, kernels[form], p.flops(), TERAFLOPS, times[0], baseline}));
  }
}

void measure(Report& report) {
  Stopwatch stopwatch(report.smoke());
  if (CuBlas::open() == nullptr) report.note("# no cuBLAS: the baseline is this project's own product");
  Spread wide, others;
  if (report.smoke()) {
    layer(report, stopwatch, {2, 6, 8, 72, 3, 1}, wide);
    layer(report, stopwatch, {2, 7, 16, 8, 3, 2}, others);
  } else {
    // ResNet-18 for CIFAR, then where it halves the images, then ResNet-20.
    for (int stage = 0; stage < 4; stage++) layer(report, stopwatch, {512, 32 >> stage, 64 << stage, 64 << stage, 3, 1}, wide);
    layer(report, stopwatch, {512, 32, 64, 128, 3, 2}, others);
    layer(report, stopwatch, {512, 32, 64, 128, 1, 2}, others);
    for (int stage = 0; stage < 3; stage++) layer(report, stopwatch, {512, 32 >> stage, 16 << stage, 16 << stage, 3, 1}, others);
  }
  report.atLeast("3x3 convolutions of ResNet-18 over a product on patches, least", 0.8, wide.least());
}

}  // namespace

int main(int count, char** arguments) { return bench::run(count, arguments, "conv", measure); }
