package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;
import java.util.function.DoubleUnaryOperator;

/** Attention with whole score matrices, in double. */
final class ReferenceAttentionOps implements AttentionOps {
  private final DoubleUnaryOperator operand;

  ReferenceAttentionOps() {
    this(DoubleUnaryOperator.identity());
  }

  /**
   * @param operand what becomes of P and dS before they enter a product: tensor cores take them in
   *     bf16
   */
  ReferenceAttentionOps(DoubleUnaryOperator operand) {
    this.operand = operand;
  }

  @Override
  public void forward(
      AttentionShape shape, Tensor qkv, Dropout dropout, Tensor out, Tensor logSumExp) {
    qkv.require("qkv", shape.tokens(), 3 * shape.width());
    out.require("out", shape.tokens(), shape.width());
    logSumExp.require("logSumExp", shape.sequences() * shape.heads(), shape.length());
    for (int b = 0; b < shape.sequences(); b++) {
      for (int h = 0; h < shape.heads(); h++) {
        Head head = new Head(shape, b, h, operand);
        double[][] p = head.probabilities(qkv, logSumExp);
        double[][] mask = head.mask(dropout);
        // O_i = Σ_j P_ij·m_ij·V_j
        for (int i = 0; i < shape.length(); i++) {
          for (int c = 0; c < shape.headWidth(); c++) {
            double sum = 0;
            for (int j = 0; j < head.seen(i); j++) {
              sum += operand.applyAsDouble(p[i][j] * mask[i][j]) * head.value(qkv, j, c);
            }
            Doubles.of(out).set(head.row(i), head.column(c), sum);
          }
        }
      }
    }
  }

  @Override
  public void backward(
      AttentionShape shape,
      Tensor qkv,
      Tensor out,
      Tensor logSumExp,
      Tensor dout,
      Dropout dropout,
      Tensor dqkv) {
    qkv.require("qkv", shape.tokens(), 3 * shape.width());
    out.require("out", shape.tokens(), shape.width());
    logSumExp.require("logSumExp", shape.sequences() * shape.heads(), shape.length());
    dout.require("dout", shape.tokens(), shape.width());
    dqkv.require("dqkv", shape.tokens(), 3 * shape.width());
    for (int i = 0; i < dqkv.size(); i++) {
      Doubles.of(dqkv).set(i, 0);
    }
    for (int b = 0; b < shape.sequences(); b++) {
      for (int h = 0; h < shape.heads(); h++) {
        new Head(shape, b, h, operand).backward(qkv, out, logSumExp, dout, dropout, dqkv);
      }
    }
  }

  @Override
  public void forwardCached(
      AttentionShape shape, Tensor qkv, Tensor keys, Tensor values, int position, Tensor out) {
    shape.requireCausal("cached attention");
    qkv.require("qkv", shape.tokens(), 3 * shape.width());
    out.require("out", shape.tokens(), shape.width());
    int capacity = keys.dim(1);
    keys.require("keys", shape.sequences(), capacity, shape.width());
    values.require("values", shape.sequences(), capacity, shape.width());
    if (position < 0 || position + shape.length() > capacity) {
      throw new IllegalArgumentException(
          "position: expected room for %d tokens in a cache of %d, got position %d"
              .formatted(shape.length(), capacity, position));
    }
    for (int b = 0; b < shape.sequences(); b++) {
      for (int h = 0; h < shape.heads(); h++) {
        Head head = new Head(shape, b, h, operand);
        for (int i = 0; i < shape.length(); i++) {
          for (int c = 0; c < shape.headWidth(); c++) {
            int slot = b * capacity + position + i;
            Doubles.of(keys).set(slot, head.column(c), head.key(qkv, i, c));
            Doubles.of(values).set(slot, head.column(c), head.value(qkv, i, c));
          }
        }
        for (int i = 0; i < shape.length(); i++) {
          head.attendCached(qkv, keys, values, b * capacity, position + i, i, out);
        }
      }
    }
  }

  /** One head of one sequence. */
  private record Head(AttentionShape shape, int sequence, int head, DoubleUnaryOperator operand) {
    int row(int i) {
      return sequence * shape.length() + i;
    }

    int column(int c) {
      return head * shape.headWidth() + c;
    }

    /** Keys that query i sees. */
    int seen(int i) {
      return shape.causal() ? i + 1 : shape.length();
    }

    double scale() {
      return 1 / StrictMath.sqrt(shape.headWidth());
    }

    double query(Tensor qkv, int i, int c) {
      return Doubles.of(qkv).get(row(i), column(c));
    }

    double key(Tensor qkv, int i, int c) {
      return Doubles.of(qkv).get(row(i), shape.width() + column(c));
    }

    double value(Tensor qkv, int i, int c) {
      return Doubles.of(qkv).get(row(i), 2 * shape.width() + column(c));
    }

    /** S_ij = s·<Q_i, K_j> */
    double score(Tensor qkv, int i, int j) {
      double sum = 0;
      for (int c = 0; c < shape.headWidth(); c++) {
        sum += query(qkv, i, c) * key(qkv, j, c);
      }
      return scale() * sum;
    }

    /** P_ij = exp(S_ij - L_i) for the keys that i sees, and L_i stored. */
    double[][] probabilities(Tensor qkv, Tensor logSumExp) {
      double[][] p = new double[shape.length()][];
      for (int i = 0; i < shape.length(); i++) {
        double[] scores = new double[seen(i)];
        for (int j = 0; j < seen(i); j++) {
          scores[j] = score(qkv, i, j);
        }
        double l = logSumExp(scores);
        Doubles.of(logSumExp).set(sequence * shape.heads() + head, i, l);
        for (int j = 0; j < seen(i); j++) {
          scores[j] = StrictMath.exp(scores[j] - l);
        }
        p[i] = scores;
      }
      return p;
    }

    /** 1 / (1 - p) for a kept probability, 0 for a dropped one. */
    double[][] mask(Dropout dropout) {
      double[][] mask = new double[shape.length()][shape.length()];
      long matrix = (long) sequence * shape.heads() + head;
      for (int i = 0; i < shape.length(); i++) {
        for (int j = 0; j < seen(i); j++) {
          long draw = (matrix * shape.length() + i) * shape.length() + j;
          mask[i][j] =
              dropout.p() == 0
                  ? 1
                  : ReferenceElementwiseOps.mask(
                      dropout.p(), dropout.draws().key(), dropout.draws().counter() + draw);
        }
      }
      return mask;
    }

    void backward(
        Tensor qkv, Tensor out, Tensor logSumExp, Tensor dout, Dropout dropout, Tensor dqkv) {
      Doubles dO = Doubles.of(dout);
      Doubles gradient = Doubles.of(dqkv);
      double[][] mask = mask(dropout);
      for (int i = 0; i < shape.length(); i++) {
        double l = Doubles.of(logSumExp).get(sequence * shape.heads() + head, i);
        // D_i = <dO_i, O_i>
        double d = 0;
        for (int c = 0; c < shape.headWidth(); c++) {
          d += dO.get(row(i), column(c)) * Doubles.of(out).get(row(i), column(c));
        }
        for (int j = 0; j < seen(i); j++) {
          double p = StrictMath.exp(score(qkv, i, j) - l);
          // dP_ij = m_ij·<dO_i, V_j>, dS_ij = P_ij·(dP_ij - D_i)
          double dp = 0;
          for (int c = 0; c < shape.headWidth(); c++) {
            dp += mask[i][j] * dO.get(row(i), column(c)) * value(qkv, j, c);
          }
          double ds = operand.applyAsDouble(p * (dp - d));
          double kept = operand.applyAsDouble(p * mask[i][j]);
          for (int c = 0; c < shape.headWidth(); c++) {
            int q = column(c);
            gradient.add(row(i), q, scale() * ds * key(qkv, j, c));
            gradient.add(row(j), shape.width() + q, scale() * ds * query(qkv, i, c));
            gradient.add(row(j), 2 * shape.width() + q, kept * dO.get(row(i), q));
          }
        }
      }
    }

    /** Row i attends to cache positions 0 to {@code last}. */
    void attendCached(
        Tensor qkv, Tensor keys, Tensor values, int firstSlot, int last, int i, Tensor out) {
      double[] scores = new double[last + 1];
      for (int j = 0; j <= last; j++) {
        for (int c = 0; c < shape.headWidth(); c++) {
          scores[j] += scale() * query(qkv, i, c) * Doubles.of(keys).get(firstSlot + j, column(c));
        }
      }
      double l = logSumExp(scores);
      for (int c = 0; c < shape.headWidth(); c++) {
        double sum = 0;
        for (int j = 0; j <= last; j++) {
          double p = operand.applyAsDouble(StrictMath.exp(scores[j] - l));
          sum += p * Doubles.of(values).get(firstSlot + j, column(c));
        }
        Doubles.of(out).set(row(i), column(c), sum);
      }
    }

    private static double logSumExp(double[] values) {
      double max = Double.NEGATIVE_INFINITY;
      for (double value : values) {
        max = StrictMath.max(max, value);
      }
      double sum = 0;
      for (double value : values) {
        sum += StrictMath.exp(value - max);
      }
      return max + StrictMath.log(sum);
    }
  }
}
