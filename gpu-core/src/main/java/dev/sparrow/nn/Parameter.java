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
  private final int rowMultiple;
  private float learningRateFactor = 1;
  private Tensor value;
  private Tensor operand;
  private Tensor paddedOperand;
  private Tensor gradient;
  private Tensor paddedGradient;

  /**
   * @param name dotted path in the model, as in the checkpoint: {@code
   *     blocks.0.attention.qkv.weight}
   * @param decay whether weight decay applies: matrices yes, biases and norm weights no
   */
  public Parameter(String name, Shape shape, Initializer initializer, boolean decay) {
    this(name, shape, initializer, decay, 1);
  }

  private Parameter(
      String name, Shape shape, Initializer initializer, boolean decay, int rowMultiple) {
    this.name = Objects.requireNonNull(name);
    this.shape = shape;
    this.initializer = initializer;
    this.decay = decay;
    this.rowMultiple = rowMultiple;
  }

  /** A matrix (or stack of them) with weight decay. */
  public static Parameter matrix(String name, Initializer initializer, int... dims) {
    return new Parameter(name, Shape.of(dims), initializer, true);
  }

  /**
   * The same with memory for whole multiples of {@code multiple} rows. The rows past its own are
   * zero and stay so, belong to no file, and are seen by {@link #paddedOperand} alone.
   */
  public Parameter withRowMultiple(int multiple) {
    return new Parameter(name, shape, initializer, decay, multiple);
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

  /**
   * Before an arena of the parameter is built: trains it at {@code factor} times the optimizer's
   * learning rate.
   *
   * @param factor finite, > 0
   */
  public void trainAt(float factor) {
    if (!(factor > 0 && factor < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          name + ": expected a finite factor of the learning rate > 0, got " + factor);
    }
    learningRateFactor = factor;
  }

  /** What the optimizer's learning rate is multiplied by for this parameter: 1 unless set. */
  public float learningRateFactor() {
    return learningRateFactor;
  }

  /** Shape with the rows that {@link #withRowMultiple} adds. */
  Shape paddedShape() {
    int rows = shape.dim(0);
    return shape.withFirst((rows + rowMultiple - 1) / rowMultiple * rowMultiple);
  }

  /**
   * The weights in the backend's float type: what the optimizer updates and a checkpoint holds.
   * Throws until the arena has bound them.
   */
  public Tensor value() {
    return bound(value);
  }

  /** The weights in the backend's compute type, as layers read them; may be {@link #value}. */
  public Tensor operand() {
    return bound(operand);
  }

  /** {@link #operand} with the added rows. */
  public Tensor paddedOperand() {
    return bound(paddedOperand);
  }

  /** The gradient, added to by backward passes; throws until the arena has bound it. */
  public Tensor gradient() {
    return bound(gradient);
  }

  /** {@link #gradient} with the added rows, where nothing but zero may be added. */
  public Tensor paddedGradient() {
    return bound(paddedGradient);
  }

  /**
   * Called by the arena, again when it is rebuilt.
   *
   * @param start first element in each of the arena's vectors
   */
  void bind(Tensor values, Tensor operands, Tensor gradients, long start) {
    value = window(values, start, shape);
    operand = window(operands, start, shape);
    paddedOperand = window(operands, start, paddedShape());
    gradient = window(gradients, start, shape);
    paddedGradient = window(gradients, start, paddedShape());
  }

  private static Tensor window(Tensor vector, long start, Shape shape) {
    return new Tensor(vector.storage(), vector.offset() + start, shape);
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
