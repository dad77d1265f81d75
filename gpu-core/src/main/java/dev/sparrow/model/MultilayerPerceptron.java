package dev.sparrow.model;

import dev.sparrow.backend.ActivationOps;
import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.data.ImageShape;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Dropout;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Linear;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Fully connected layers over all numbers of an image: {@code h_i = x_i·W_iᵀ + b_i}, {@code x_(i+1)
 * = drop(f(h_i))}. Without layers the features are the image itself.
 *
 * <p>Weights start at N(0, 2/in), which keeps the variance of what passes a rectifier (He et al.
 * 2015, §2.2).
 */
final class MultilayerPerceptron implements ImageBody {
  private final ModelShape shape;
  private final PatchGrid grid;
  private final ActivationOps activation;
  private final List<Hidden> layers = new ArrayList<>();
  private final List<PartParameters> parameters;

  /** One hidden layer with what it keeps until its backward pass. */
  private static final class Hidden {
    final Linear linear;
    final Dropout dropout;
    Tensor h; // (samples, columns), input of f
    Tensor y; // (samples, columns), output
    Tensor dx; // (samples, in), scratch; null in the first layer

    Hidden(Linear linear, Dropout dropout) {
      this.linear = linear;
      this.dropout = dropout;
    }
  }

  MultilayerPerceptron(Backend backend, ModelShape shape, ImageShape image, Method method) {
    this.shape = shape;
    this.grid = PatchGrid.whole(image);
    this.activation = backend.activation();
    int in = image.size();
    for (int columns : shape.hiddenLayers()) {
      String name = "layers." + layers.size();
      LinearSpec spec = new LinearSpec(name, in, columns, Math.sqrt(2.0 / in));
      Linear linear = new Linear(name, method.linearWeight(spec), shape.bias());
      layers.add(new Hidden(linear, new Dropout(backend, name + ".dropout", shape.dropout())));
      in = columns;
    }
    this.parameters =
        layers.stream().map(layer -> new PartParameters(layer.linear::parameters)).toList();
  }

  @Override
  public PatchGrid patches() {
    return grid;
  }

  @Override
  public int width() {
    return layers.isEmpty() ? grid.columns() : layers.get(layers.size() - 1).linear.out();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    layers.forEach(layer -> layer.linear.parameters(sink));
  }

  @Override
  public void parametersChanged() {
    parameters.forEach(PartParameters::refresh);
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    layers.forEach(layer -> layer.linear.buffers(sink));
  }

  @Override
  public boolean recordable() {
    return true;
  }

  @Override
  public void reserve(Workspace workspace, int samples) {
    for (int i = 0; i < layers.size(); i++) {
      Hidden layer = layers.get(i);
      layer.linear.reserve(workspace, samples);
      layer.h = workspace.keep(samples, layer.linear.out());
      layer.y = workspace.keep(samples, layer.linear.out());
      // A layer's gradient is read while the one before's is written: two slots take turns.
      String slot = "perceptron.dx" + i % 2;
      layer.dx = i == 0 ? null : workspace.scratch(slot, samples, layer.linear.in());
    }
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    Tensor in = x;
    for (int i = 0; i < layers.size(); i++) {
      Hidden layer = layers.get(i);
      Tensor y = layer.y.first(pass.sequences());
      layer.linear.activatedForward(shape.activation(), in, layer.h.first(pass.sequences()), y);
      in = layer.dropout.apply(y, pass, y);
    }
    return in;
  }

  /** {@code dh_i = drop(dx_(i+1)) ⊙ f'(h_i)}, {@code dx_i = dh_i·W_i}. */
  @Override
  public void backward(Tensor x, Tensor dy, Pass pass, Consumer<Parameter> complete) {
    int samples = pass.sequences();
    Tensor dout = dy;
    for (int i = layers.size() - 1; i >= 0; i--) {
      Hidden layer = layers.get(i);
      layer.dropout.apply(dout, pass, dout);
      activation.backward(shape.activation(), layer.h.first(samples), dout, dout);
      Tensor in = i == 0 ? x : layers.get(i - 1).y.first(samples);
      Tensor dx = i == 0 ? null : layer.dx.first(samples);
      layer.linear.backward(in, dout, false, dx);
      parameters.get(i).complete(complete);
      dout = dx;
    }
  }

  @Override
  public void figures(FigureSink sink) {
    // Linears tell nothing of a pass.
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    layers.forEach(layer -> layer.linear.describe(sink));
  }
}
