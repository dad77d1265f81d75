package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.data.ImageShape;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.ImageLayer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.SequenceMean;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Convolutional layers one after the other, and the mean of each channel over what they leave. */
final class ConvNet implements ImageBody {
  /** Halvings of a {@link #vgg}. */
  private static final int VGG_HALVINGS = 5;

  private final PatchGrid grid;
  private final List<ImageLayer> layers;
  private final List<PartParameters> parameters;
  private final SequenceMean mean;
  private final int places;
  private final int width;

  /**
   * @param parts that made the layers
   */
  private ConvNet(Backend backend, ImageShape image, ConvParts parts, List<ImageLayer> layers) {
    this.grid = PatchGrid.whole(image);
    this.layers = layers;
    this.parameters = layers.stream().map(layer -> new PartParameters(layer::parameters)).toList();
    this.width = parts.channels();
    this.places = parts.height() * parts.width();
    this.mean = new SequenceMean(backend, width);
  }

  /**
   * A residual network for small images (He et al. 2016). A convolution of the images and stages of
   * basic blocks, each with twice the channels and half the height and width of the one before. Of
   * depth 6n + 2 (§4.2) there are three stages of n blocks, of depth 18 four stages of two, as in
   * §3.3 but without its halvings before the first stage.
   *
   * @param shape its width is the channels of the first stage
   */
  static ConvNet residual(Backend backend, ModelShape shape, ImageShape image, Method method) {
    boolean wide = shape.depth() == 18;
    int stages = wide ? 4 : 3;
    int blocks = wide ? 2 : (shape.depth() - 2) / 6;
    ConvParts parts = new ConvParts(backend, image, method);
    List<ImageLayer> layers = new ArrayList<>();
    layers.add(parts.convolution("stem.conv", shape.width(), 1));
    for (int stage = 0; stage < stages; stage++) {
      for (int block = 0; block < blocks; block++) {
        int stride = stage > 0 && block == 0 ? 2 : 1;
        String name = "stages." + stage + "." + block;
        layers.add(parts.residualBlock(name, shape.width() << stage, stride));
      }
    }
    return new ConvNet(backend, image, parts, layers);
  }

  /**
   * VGG of 19 layers with batch normalisation (Simonyan & Zisserman 2015, configuration E), for
   * small images: 16 convolutions, and a single linear head in the place of three.
   *
   * @param shape its width is the channels of the first two convolutions
   */
  static ConvNet vgg(Backend backend, ModelShape shape, ImageShape image, Method method) {
    int least = 1 << VGG_HALVINGS;
    if (Math.min(image.height(), image.width()) < least) {
      throw new IllegalArgumentException(
          "model.kind: expected images of at least %d x %d pixels for vgg, got %d x %d; set image.height and image.width"
              .formatted(least, least, image.height(), image.width()));
    }
    ConvParts parts = new ConvParts(backend, image, method);
    List<ImageLayer> layers = new ArrayList<>();
    int number = 0;
    for (int stage = 0; stage < VGG_HALVINGS; stage++) {
      int convolutions = stage < 2 ? 2 : 4;
      for (int i = 0; i < convolutions; i++, number++) {
        String name = "layers." + number;
        int out = shape.width() << Math.min(stage, 3);
        layers.add(parts.convolution(name + ".conv", out, 1));
      }
      layers.add(parts.halving());
    }
    return new ConvNet(backend, image, parts, layers);
  }

  @Override
  public PatchGrid patches() {
    return grid;
  }

  @Override
  public int width() {
    return width;
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    layers.forEach(layer -> layer.parameters(sink));
  }

  @Override
  public void parametersChanged() {
    parameters.forEach(PartParameters::refresh);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    layers.forEach(layer -> layer.buffers(sink));
  }

  @Override
  public boolean recordable() {
    return true;
  }

  @Override
  public void reserve(Workspace workspace, int samples) {
    layers.forEach(layer -> layer.reserve(workspace, samples));
    mean.reserve(workspace, samples, places);
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    ImageShape image = grid.image();
    int pixels = image.height() * image.width();
    Tensor in = x.reshape(pass.sequences() * pixels, image.channels());
    for (int i = 0; i < layers.size(); i++) { // without an iterator: called in every step
      in = layers.get(i).forward(in, pass);
    }
    return mean.forward(in, pass);
  }

  @Override
  public void backward(Tensor x, Tensor dy, Pass pass, Consumer<Parameter> complete) {
    Tensor dout = mean.backward(dy, pass);
    for (int i = layers.size() - 1; i >= 0; i--) {
      dout = layers.get(i).backward(dout);
      parameters.get(i).complete(complete);
    }
  }

  @Override
  public void figures(FigureSink sink) {
    // Convolutions tell nothing of a pass.
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    layers.forEach(layer -> layer.describe(sink));
  }
}
