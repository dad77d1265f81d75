package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.NormOps;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/** {@code y = x·rstd·weight} over each row (Zhang & Sennrich 2019). */
public final class RmsNorm implements Norm {
  private final NormOps norm;
  private final String name;
  private final int width;
  private final double epsilon;
  private final Parameter weight; // (width)
  private Tensor y; // (tokens, width)
  private Tensor rstd; // (tokens)
  private Tensor x; // (tokens, width), the caller's

  public RmsNorm(Backend backend, String name, int width, double epsilon) {
    this.norm = backend.norm();
    this.name = name;
    this.width = width;
    this.epsilon = epsilon;
    this.weight = Parameter.vector(name + ".weight", Initializer.ONES, width);
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    sink.accept(weight);
  }

  @Override
  public void reserve(Workspace workspace, int tokens) {
    y = workspace.keep(tokens, width);
    rstd = workspace.keepFloat(tokens);
  }

  @Override
  public Tensor forward(Tensor x) {
    this.x = x;
    int tokens = x.rows();
    Tensor out = y.first(tokens);
    norm.rmsNorm(x, weight.operand(), epsilon, out, rstd.first(tokens));
    return out;
  }

  @Override
  public void backward(Tensor dy, boolean accumulate, Tensor dx) {
    Tensor r = rstd.first(dy.rows());
    norm.rmsNormBackward(dy, x, weight.operand(), r, accumulate, dx, weight.gradient());
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    sink.row(new LayerSummary(name, "RmsNorm " + width, weight.size(), weight.size(), 0));
  }
}
