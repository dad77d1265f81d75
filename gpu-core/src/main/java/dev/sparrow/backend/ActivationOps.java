package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Nonlinearities and their gated forms; all tensors of one call have equal size. */
public interface ActivationOps {
  /** {@code y = f(x)}; y may be x. */
  void forward(Activation f, Tensor x, Tensor y);

  /** {@code dx = dy·f'(x)}; dx may be dy or x. */
  void backward(Activation f, Tensor x, Tensor dy, Tensor dx);

  /** Gated linear unit (Shazeer 2020): {@code y = f(gate)·up}. SwiGLU is f = SILU. */
  void gated(Activation f, Tensor gate, Tensor up, Tensor y);

  /**
   * {@code dgate = dy·up·f'(gate)}, {@code dup = dy·f(gate)}; dgate may be gate and dup may be up.
   */
  void gatedBackward(Activation f, Tensor gate, Tensor up, Tensor dy, Tensor dgate, Tensor dup);
}
