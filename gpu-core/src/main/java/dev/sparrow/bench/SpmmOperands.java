package dev.sparrow.bench;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;
import java.util.Random;

/** What the products of a shape read and write, filled with numbers of a normal distribution. */
final class SpmmOperands {
  private final Random random;
  private final Tensor x; // (batch, in)
  private final Tensor dy; // (batch, out)
  private final Tensor w; // (out, in)
  private final Tensor y; // (batch, out)
  private final Tensor dx; // (batch, in)
  private final Tensor dw; // (out, in)

  SpmmOperands(SpmmShape shape, Random random) {
    this.random = random;
    this.x = random(shape.batch(), shape.in());
    this.dy = random(shape.batch(), shape.out());
    this.w = random(shape.out(), shape.in());
    this.y = zeros(shape.batch(), shape.out());
    this.dx = zeros(shape.batch(), shape.in());
    this.dw = zeros(shape.out(), shape.in());
  }

  /** A new matrix of random numbers. */
  Tensor random(int rows, int columns) {
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return HeapStorage.wrap(values, rows, columns);
  }

  static Tensor zeros(int rows, int columns) {
    return HeapStorage.wrap(new float[rows * columns], rows, columns);
  }

  Tensor x() {
    return x;
  }

  Tensor dy() {
    return dy;
  }

  Tensor w() {
    return w;
  }

  Tensor y() {
    return y;
  }

  Tensor dx() {
    return dx;
  }

  Tensor dw() {
    return dw;
  }
}
