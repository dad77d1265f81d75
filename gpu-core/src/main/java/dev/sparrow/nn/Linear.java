package dev.sparrow.nn;

import dev.sparrow.backend.Activation;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * {@code y = x·Wᵀ + b}. The caller owns the activations: a layer made of linears decides itself
 * which of them live until its backward pass and which share scratch.
 */
public final class Linear {
  private final String name;
  private final LinearWeight weight;
  private final Parameter bias; // (out), or null

  /**
   * @param name dotted path, the same as in the weight's spec; the bias is {@code name + ".bias"}
   */
  public Linear(String name, LinearWeight weight, boolean bias) {
    this.name = name;
    this.weight = weight;
    this.bias = bias ? Parameter.vector(name + ".bias", Initializer.ZEROS, weight.out()) : null;
  }

  public int in() {
    return weight.in();
  }

  public int out() {
    return weight.out();
  }

  public void parameters(Consumer<Parameter> sink) {
    weight.parameters(sink);
    if (bias != null) {
      sink.accept(bias);
    }
  }

  public void buffers(Consumer<Buffer> sink) {
    weight.buffers(sink);
  }

  /** Takes the weight's own memory for at most {@code rows} rows. */
  public void reserve(Workspace workspace, int rows) {
    weight.reserve(workspace, rows);
  }

  /**
   * {@code y = x·Wᵀ + b (+ residual)}.
   *
   * @param x (rows, in)
   * @param residual (rows, out), or null; may be y
   * @param y (rows, out)
   */
  public void forward(Tensor x, Tensor residual, Tensor y) {
    weight.forward(x, biasOperand(), residual, y);
  }

  /**
   * {@code h = x·Wᵀ + b}, {@code y = f(h)}.
   *
   * @param x (rows, in)
   * @param h (rows, out), for the backward pass of f
   * @param y (rows, out)
   */
  public void activatedForward(Activation f, Tensor x, Tensor h, Tensor y) {
    weight.activatedForward(f, x, biasOperand(), h, y);
  }

  private Tensor biasOperand() {
    return bias == null ? null : bias.operand();
  }

  /**
   * {@code dW += dyᵀ·x}, {@code db += Σ dy}, {@code dx = dy·W} ({@code +=} with accumulate).
   *
   * @param x (rows, in) as in the forward pass
   * @param dy (rows, out), left as it is
   * @param dx (rows, in), or null where the input needs no gradient
   */
  public void backward(Tensor x, Tensor dy, boolean accumulate, Tensor dx) {
    weight.backward(x, dy, biasGradient(), accumulate, dx);
  }

  /**
   * {@link #backward} and that of the nonlinearity before: {@code x = f(h)}, {@code dh = (dy·W) ⊙
   * f'(h)}.
   *
   * @param h (rows, in)
   * @param x (rows, in) as in the forward pass
   * @param dy (rows, out), left as it is
   * @param dh (rows, in)
   */
  public void activatedBackward(Activation f, Tensor h, Tensor x, Tensor dy, Tensor dh) {
    weight.activatedBackward(f, h, x, dy, biasGradient(), dh);
  }

  private Tensor biasGradient() {
    return bias == null ? null : bias.gradient();
  }

  public void describe(LayerSummary.Sink sink) {
    long biases = bias == null ? 0 : bias.size();
    long parameters = weight.parameterCount() + biases;
    long active = weight.activeParameterCount() + biases;
    String kind = "Linear %d -> %d, %s".formatted(in(), out(), weight.kind());
    sink.row(new LayerSummary(name, kind, parameters, active, weight.forwardFlopsPerRow()));
  }
}
