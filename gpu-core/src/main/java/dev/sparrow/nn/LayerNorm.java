package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.NormOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** {@code y = (x - mean)·rstd·weight + bias} over each row (Ba et al. 2016). */
public final class LayerNorm implements Norm {
  private final NormOps norm;
  private final String name;
  private final int width;
  private final double epsilon;
  private final Parameter weight; // (width)
  private final Parameter bias; // (width), or null
  private Tensor y; // (tokens, width)
  private Tensor mean; // (tokens)
  private Tensor rstd; // (tokens)
  private Tensor x; // (tokens, width), the caller's

  public LayerNorm(Backend backend, String name, int width, double epsilon, boolean bias) {
    this.norm = backend.norm();
    this.name = name;
    this.width = width;
    this.epsilon = epsilon;
    this.weight = Parameter.vector(name + ".weight", Initializer.ONES, width);
    this.bias = bias ? Parameter.vector(name + ".bias", Initializer.ZEROS, width) : null;
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    sink.accept(weight);
    if (bias != null) {
      sink.accept(bias);
    }
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    y = workspace.keep(tokens, width);
    mean = workspace.keepFloat(tokens);
    rstd = workspace.keepFloat(tokens);
  }

  @Override
  public Tensor forward(Tensor x) {
    this.x = x;
    int tokens = x.rows();
    Tensor out = y.first(tokens);
    Tensor b = bias == null ? null : bias.operand();
    norm.layerNorm(x, weight.operand(), b, epsilon, out, mean.first(tokens), rstd.first(tokens));
    return out;
  }

  @Override
  public void backward(Tensor dy, boolean accumulate, Tensor dx) {
    int tokens = dy.rows();
    norm.layerNormBackward(
        dy,
        x,
        weight.operand(),
        mean.first(tokens),
        rstd.first(tokens),
        accumulate,
        dx,
        weight.gradient(),
        bias == null ? null : bias.gradient());
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    long parameters = weight.size() + (bias == null ? 0 : bias.size());
    sink.row(new LayerSummary(name, "LayerNorm " + width, parameters, parameters, 0));
  }
}
