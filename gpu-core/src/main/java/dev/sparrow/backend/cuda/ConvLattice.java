package dev.sparrow.backend.cuda;

import dev.sparrow.backend.ConvShape;

/**
 * The input pixels in every stride-th line and column from a first one on, {@code Lattice} of
 * {@code gemm/conv.cuh}: the same places of a window see them all, and no others do.
 *
 * @param firstY below the stride and the height
 * @param firstX below the stride and the width
 */
record ConvLattice(ConvShape shape, int firstY, int firstX) {
  /** Lines of an image, as columns. */
  int height() {
    return steps(shape.height(), firstY);
  }

  int width() {
    return steps(shape.width(), firstX);
  }

  /** Of all images. */
  int pixels() {
    return shape.images() * height() * width();
  }

  /** The first line of a window that sees the lattice. */
  int firstTapY() {
    return (firstY + shape.padding()) % shape.stride();
  }

  int firstTapX() {
    return (firstX + shape.padding()) % shape.stride();
  }

  /** How many lines of a window see it; 0 where strides step over it. */
  int tapsY() {
    return Math.max(0, steps(shape.kernel(), firstTapY()));
  }

  int tapsX() {
    return Math.max(0, steps(shape.kernel(), firstTapX()));
  }

  int taps() {
    return tapsY() * tapsX();
  }

  /** What a window's line is ahead of the pixel's in the lattice that its first such line sees. */
  int aheadY() {
    return (firstY + shape.padding()) / shape.stride();
  }

  int aheadX() {
    return (firstX + shape.padding()) / shape.stride();
  }

  private int steps(int size, int first) {
    return (size - first + shape.stride() - 1) / shape.stride();
  }
}
