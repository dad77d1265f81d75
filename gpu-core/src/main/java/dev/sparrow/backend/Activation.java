package dev.sparrow.backend;

/** Element-wise nonlinearities. */
public enum Activation {
  /** Exact: {@code x·Φ(x)} with the error function (Hendrycks & Gimpel 2016). */
  GELU,
  /** GPT-2's tanh approximation. */
  GELU_TANH,
  /** {@code x·sigmoid(x)}, also called swish. */
  SILU,
  RELU
}
