package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;

/** Table look-ups and rotary positions in double. */
final class ReferenceEmbeddingOps implements EmbeddingOps {
  @Override
  public void splitTokens(Tensor rows, Tensor inputs, Tensor targets) {
    int length = rows.columns() - 1;
    Checks.size("inputs", (long) rows.rows() * length, inputs);
    Checks.size("targets", (long) rows.rows() * length, targets);
    for (int s = 0; s < rows.rows(); s++) {
      for (int t = 0; t < length; t++) {
        Ints.of(inputs).set(s * length + t, Ints.of(rows).get(s * (length + 1) + t));
        Ints.of(targets).set(s * length + t, Ints.of(rows).get(s * (length + 1) + t + 1));
      }
    }
  }

  @Override
  public void forward(Tensor ids, Tensor table, Tensor out) {
    int width = table.columns();
    Checks.size("out", ids.size() * width, out);
    Ints id = Ints.of(ids);
    Doubles from = Doubles.of(table);
    Doubles to = Doubles.of(out);
    for (int i = 0; i < ids.size(); i++) {
      int row = checked(id.get(i), i, table);
      for (int c = 0; c < width; c++) {
        to.set(i * width + c, from.get(row, c));
      }
    }
  }

  @Override
  public void backward(Tensor ids, Tensor dout, Tensor dtable) {
    int width = dtable.columns();
    Checks.size("dout", ids.size() * width, dout);
    Ints id = Ints.of(ids);
    Doubles from = Doubles.of(dout);
    Doubles to = Doubles.of(dtable);
    for (int i = 0; i < ids.size(); i++) {
      int row = checked(id.get(i), i, dtable);
      for (int c = 0; c < width; c++) {
        to.add(row, c, from.get(i * width + c));
      }
    }
  }

  private static int checked(int id, int i, Tensor table) {
    if (id < 0 || id >= table.rows()) {
      throw new IllegalArgumentException(
          "ids: expected values in [0, " + table.rows() + "), got " + id + " at " + i);
    }
    return id;
  }

  @Override
  public void addPositions(Tensor positions, int length, int start, Tensor x) {
    x.require("x", x.rows(), positions.columns());
    requireContext(positions, length, start);
    Doubles from = Doubles.of(positions);
    Doubles to = Doubles.of(x);
    for (int row = 0; row < x.rows(); row++) {
      for (int c = 0; c < x.columns(); c++) {
        to.add(row, c, from.get(start + row % length, c));
      }
    }
  }

  @Override
  public void addPositionsBackward(Tensor dx, int length, int start, Tensor dpositions) {
    dx.require("dx", dx.rows(), dpositions.columns());
    requireContext(dpositions, length, start);
    Doubles from = Doubles.of(dx);
    Doubles to = Doubles.of(dpositions);
    for (int row = 0; row < dx.rows(); row++) {
      for (int c = 0; c < dx.columns(); c++) {
        to.add(start + row % length, c, from.get(row, c));
      }
    }
  }

  @Override
  public void mean(Tensor x, int length, Tensor out) {
    x.require("x", out.rows() * length, out.columns());
    Doubles from = Doubles.of(x);
    Doubles to = Doubles.of(out);
    for (int b = 0; b < out.rows(); b++) {
      for (int c = 0; c < out.columns(); c++) {
        double sum = 0;
        for (int t = 0; t < length; t++) {
          sum += from.get(b * length + t, c);
        }
        to.set(b, c, sum / length);
      }
    }
  }

  @Override
  public void meanBackward(Tensor dout, int length, Tensor dx) {
    dx.require("dx", dout.rows() * length, dout.columns());
    Doubles from = Doubles.of(dout);
    Doubles to = Doubles.of(dx);
    for (int row = 0; row < dx.rows(); row++) {
      for (int c = 0; c < dx.columns(); c++) {
        to.set(row, c, from.get(row / length, c) / length);
      }
    }
  }

  private static void requireContext(Tensor positions, int length, int start) {
    if (start < 0 || start + length > positions.rows()) {
      throw new IllegalArgumentException(
          "positions: expected at least %d rows for start %d and length %d, got %s"
              .formatted(start + length, start, length, positions.shape()));
    }
  }

  @Override
  public void rotary(AttentionShape shape, double theta, int start, boolean inverse, Tensor qkv) {
    qkv.require("qkv", shape.tokens(), 3 * shape.width());
    for (int row = 0; row < shape.tokens(); row++) {
      int position = start + row % shape.length();
      // Queries and keys lie side by side: together they are 2·heads heads.
      for (int head = 0; head < 2 * shape.heads(); head++) {
        rotateHead(qkv, row, head * shape.headWidth(), shape.headWidth(), theta, position, inverse);
      }
    }
  }

  private static void rotateHead(
      Tensor qkv, int row, int first, int width, double theta, int position, boolean inverse) {
    Doubles x = Doubles.of(qkv);
    int half = width / 2;
    for (int j = 0; j < half; j++) {
      double angle = position * StrictMath.pow(theta, -2.0 * j / width) * (inverse ? -1 : 1);
      double cos = StrictMath.cos(angle);
      double sin = StrictMath.sin(angle);
      double a = x.get(row, first + j);
      double b = x.get(row, first + j + half);
      x.set(row, first + j, a * cos - b * sin);
      x.set(row, first + j + half, b * cos + a * sin);
    }
  }
}
