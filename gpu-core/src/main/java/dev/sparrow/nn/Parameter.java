package dev.sparrow.nn;

import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.Objects;

/**
 * A trained tensor: declared by a layer, given memory by the {@link ParameterArena}. Two layers
 * that share one (a tied head) hold the same object.
 */
public final class Parameter {
  private final String name;
  private final Shape shape;
  private final Initializer initializer;
  private final boolean decay;
  private Tensor value;
  private Tensor gradient;

  /**
   * @param name dotted path in the model, as in the checkpoint: {@code
   *     blocks.0.attention.qkv.weight}
   * @param decay whether weight decay applies: matrices yes, biases and norm weights no
   */
  public Parameter(String name, Shape shape, Initializer initializer, boolean decay) {
    this.name = Objects.requireNonNull(name);
    this.shape = shape;
    this.initializer = initializer;
    this.decay = decay;
  }

  /** A matrix (or stack of them) with weight decay. */
  public static Parameter matrix(String name, Initializer initializer, int... dims) {
    return new Parameter(name, Shape.of(dims), initializer, true);
  }

  /** A bias or norm weight, without weight decay. */
  public static Parameter vector(String name, Initializer initializer, int size) {
    return new Parameter(name, Shape.of(size), initializer, false);
  }

  public String name() {
    return name;
  }

  public Shape shape() {
    return shape;
  }

  public long size() {
    return shape.size();
  }

  public Initializer initializer() {
    return initializer;
  }

  public boolean decay() {
    return decay;
  }

  /** The weights; throws until the arena has bound them. */
  public Tensor value() {
    return bound(value);
  }

  /** The gradient, added to by backward passes; throws until the arena has bound it. */
  public Tensor gradient() {
    return bound(gradient);
  }

  /** Called by the arena, again when it is rebuilt. */
  void bind(Tensor value, Tensor gradient) {
    this.value = value;
    this.gradient = gradient;
  }

  private Tensor bound(Tensor tensor) {
    if (tensor == null) {
      throw new IllegalStateException(
          name + ": has no memory yet; build a ParameterArena of the model's parameters first");
    }
    return tensor;
  }

  @Override
  public String toString() {
    return name + shape;
  }
}
