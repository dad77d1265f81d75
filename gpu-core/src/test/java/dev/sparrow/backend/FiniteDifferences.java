package dev.sparrow.backend;

import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleSupplier;

/**
 * Checks hand-written gradients against central differences in double, on tensors of {@link
 * ReferenceBackend}.
 *
 * <pre>{@code
 * layer.forward(x); layer.backward(r);            // dw += ..., dx = ...
 * new FiniteDifferences(() -> FiniteDifferences.dot(layer.forward(x), r))
 *     .gradient("weight", w, dw)
 *     .gradient("x", x, dx)
 *     .check();
 * }</pre>
 *
 * <p>{@code (L(v + h) - L(v - h)) / 2h} with {@code h = 1e-5·max(1, |v|)} has a truncation error of
 * about h² = 1e-10 and a rounding error of about 1e-16·|L|/h = 1e-11·|L|. The default tolerance of
 * 1e-7 + 1e-6·|numeric| leaves room for third derivatives and losses of a few hundred, and no wrong
 * term of a formula hides below it. Keep losses near 1 and inputs away from kinks (ReLU at 0, ties
 * of top-k) by more than h.
 */
public final class FiniteDifferences {
  private static final double STEP = 1e-5;

  private final DoubleSupplier loss;
  private final List<Entry> entries = new ArrayList<>();
  private double absolute = 1e-7;
  private double relative = 1e-6;
  private int samples = 64;
  private long seed = 1;

  /** Gradient as it was when it was handed in: the loss may overwrite or add to the tensor. */
  private record Entry(String name, Tensor values, double[] analytic) {}

  /**
   * @param loss computes the loss from the present values of all tensors; called twice per element
   */
  public FiniteDifferences(DoubleSupplier loss) {
    this.loss = loss;
  }

  /** Also check {@code gradient}, which is copied now, as the derivative by {@code values}. */
  public FiniteDifferences gradient(String name, Tensor values, Tensor gradient) {
    if (values.size() != gradient.size()) {
      throw new IllegalArgumentException(
          name + ": expected a gradient of " + values.shape() + ", got " + gradient.shape());
    }
    double[] analytic = new double[(int) gradient.size()];
    for (int i = 0; i < analytic.length; i++) {
      analytic[i] = Doubles.of(gradient).get(i);
    }
    entries.add(new Entry(name, values, analytic));
    return this;
  }

  /** Elements checked per tensor, drawn with {@code seed}; smaller tensors are checked whole. */
  public FiniteDifferences samples(int samples, long seed) {
    this.samples = samples;
    this.seed = seed;
    return this;
  }

  /** Every element of every tensor is checked. */
  public FiniteDifferences allElements() {
    samples = Integer.MAX_VALUE;
    return this;
  }

  /** Allowed difference: {@code absolute + relative·|numeric|}. */
  public FiniteDifferences tolerance(double absolute, double relative) {
    this.absolute = absolute;
    this.relative = relative;
    return this;
  }

  /** Throws an AssertionError that names the worst element of every tensor that differs. */
  public void check() {
    if (entries.isEmpty()) {
      throw new IllegalStateException("check: expected at least one gradient, got none");
    }
    StringBuilder wrong = new StringBuilder();
    for (Entry entry : entries) {
      wrong.append(compare(entry));
    }
    if (!wrong.isEmpty()) {
      throw new AssertionError("gradients differ from central differences:" + wrong);
    }
  }

  private String compare(Entry entry) {
    double worst = 1;
    String report = "";
    int failures = 0;
    int[] elements = elements(entry.analytic().length);
    for (int i : elements) {
      double numeric = derivative(entry.values(), i);
      double analytic = entry.analytic()[i];
      double allowed = absolute + relative * StrictMath.abs(numeric);
      double excess = StrictMath.abs(analytic - numeric) / allowed;
      // Negated, so that NaN counts as a failure.
      if (!(excess <= 1)) {
        failures++;
      }
      if (!(excess <= worst) && !Double.isNaN(worst)) {
        worst = excess;
        report = describe(entry, i, numeric, allowed);
      }
    }
    return failures == 0
        ? ""
        : "%n  %s: %d of %d elements, worst %s"
            .formatted(entry.name(), failures, elements.length, report);
  }

  private String describe(Entry entry, int i, double numeric, double allowed) {
    return "at %d of %s: analytic %.12g, numeric %.12g, allowed difference %.3g, seed %d"
        .formatted(i, entry.values().shape(), entry.analytic()[i], numeric, allowed, seed);
  }

  private double derivative(Tensor values, int i) {
    Doubles v = Doubles.of(values);
    double before = v.get(i);
    double h = STEP * StrictMath.max(1, StrictMath.abs(before));
    v.set(i, before + h);
    double above = loss.getAsDouble();
    v.set(i, before - h);
    double below = loss.getAsDouble();
    v.set(i, before);
    return (above - below) / ((before + h) - (before - h));
  }

  private int[] elements(int size) {
    int[] all = new int[size];
    for (int i = 0; i < size; i++) {
      all[i] = i;
    }
    if (size <= samples) {
      return all;
    }
    // The first steps of a Fisher-Yates shuffle.
    Random random = new Random(seed);
    int[] drawn = new int[samples];
    for (int i = 0; i < samples; i++) {
      int j = i + random.nextInt(size - i);
      drawn[i] = all[j];
      all[j] = all[i];
    }
    return drawn;
  }

  /** {@code Σ x_i·r_i}: a loss whose gradient by x is r. */
  public static double dot(Tensor x, Tensor r) {
    Checks.size("r", x.size(), r);
    double sum = 0;
    for (int i = 0; i < x.size(); i++) {
      sum += Doubles.of(x).get(i) * Doubles.of(r).get(i);
    }
    return sum;
  }
}
