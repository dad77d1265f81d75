package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.function.Executable;

/**
 * One op call on the backend under test and on {@link ReferenceBackend}, from the same inputs.
 *
 * <pre>{@code
 * try (Comparison c = new Comparison(open(), seed, "rows 5")) {
 *   Pair x = c.normal(5, 4);
 *   Pair y = c.poisoned(5, 3);
 *   c.run((backend, at) -> backend.matmul().forward(at.of(x), ..., at.of(y)));
 *   c.check("y", y, c.sumOf(4), 1e-5);
 * }
 * }</pre>
 *
 * <p>Tolerances are for fp32 against double. The unit roundoff is u = 2^-24 = 6e-8. An expression
 * of a few operations is held to {@link #FEW_ROUNDINGS}; a sum of n products of values near 1 to an
 * absolute {@link #sumOf}.
 */
final class Comparison implements AutoCloseable {
  /** A relative 1e-5: 170 unit roundoffs, far below any wrong term. */
  static final double FEW_ROUNDINGS = 1e-5;

  // Odd, so that windows start at unaligned addresses.
  private static final int GUARD = 3;
  private static final float GUARD_VALUE = 12345;

  private final Backend tested;
  private final ReferenceBackend reference = new ReferenceBackend();
  private final RandomValues random;
  private final String context;
  private final List<Pair> pairs = new ArrayList<>();
  private final List<Tensor> guards = new ArrayList<>();

  /** The same tensor on both sides. */
  record Pair(Tensor tested, Tensor reference) {
    /** Entries [start, start + count) of the first dimension. */
    Pair slice(int start, int count) {
      return new Pair(tested.slice(start, count), reference.slice(start, count));
    }
  }

  /** Picks one side's tensors; null stays null. */
  @FunctionalInterface
  interface Side {
    Tensor of(Pair pair);
  }

  /** The op call, written once for both sides. */
  @FunctionalInterface
  interface Call {
    void on(Backend backend, Side at);
  }

  Comparison(Backend tested, long seed, String what) {
    this.tested = tested;
    this.random = new RandomValues(seed);
    this.context = "%s on %s, seed %d".formatted(what, tested.description(), seed);
  }

  /**
   * Absolute tolerance of a sum of {@code n} products of standard normal values. Partial sums grow
   * as √i, so that n rounded additions leave an error of about u·n/√2; 4·u·n is more than five
   * standard deviations of that, and a lost term, near 1, is far above it.
   */
  static double sumOf(int n) {
    return 0x1p-22 * Math.max(n, 4);
  }

  /** Standard normal values. */
  Pair normal(int... dims) {
    return floats(random.normal((int) Shape.of(dims).size()), dims);
  }

  /** Values in [from, to). */
  Pair uniform(double from, double to, int... dims) {
    return floats(random.uniform((int) Shape.of(dims).size(), from, to), dims);
  }

  /** Integers in [from, to). */
  Pair integers(int from, int to, int... dims) {
    return ints(random.integers((int) Shape.of(dims).size(), from, to), dims);
  }

  /** NaN everywhere: an op that adds where it should assign, or skips an element, leaves one. */
  Pair poisoned(int... dims) {
    float[] values = new float[(int) Shape.of(dims).size()];
    Arrays.fill(values, Float.NaN);
    return floats(values, dims);
  }

  Pair floats(float[] values, int... dims) {
    Pair pair = new Pair(guarded(dims), reference.allocate(dims));
    tested.upload(values, 0, pair.tested());
    reference.upload(values, 0, pair.reference());
    pairs.add(pair);
    return pair;
  }

  /** A window inside a larger allocation, as in a parameter arena, with guards at both ends. */
  private Tensor guarded(int... dims) {
    int size = (int) Shape.of(dims).size();
    Tensor whole = tested.allocate(GUARD + size + GUARD);
    tested.elementwise().fill(whole, GUARD_VALUE);
    guards.add(whole.window(0, GUARD));
    guards.add(whole.window(GUARD + size, GUARD));
    return whole.window(GUARD, size).reshape(dims);
  }

  private void checkGuards() {
    float[] values = new float[GUARD];
    for (Tensor guard : guards) {
      tested.downloadSync(guard, values, 0);
      for (float value : values) {
        assertEquals(GUARD_VALUE, value, "written outside a tensor; " + context);
      }
    }
  }

  Pair ints(int[] values, int... dims) {
    Shape shape = Shape.of(dims);
    Pair pair = new Pair(tested.allocate(DType.I32, shape), reference.allocate(DType.I32, shape));
    tested.upload(values, 0, pair.tested());
    reference.upload(values, 0, pair.reference());
    pairs.add(pair);
    return pair;
  }

  /** Calls the op on both sides. */
  void run(Call call) {
    call.on(tested, pair -> pair == null ? null : pair.tested());
    checkGuards();
    call.on(reference, pair -> pair == null ? null : pair.reference());
  }

  /** Throws unless the tested side is within {@code absolute + relative·|reference|}. */
  void check(String name, Pair pair, double absolute, double relative) {
    new TensorAssert(context, absolute, relative)
        .check(name, reference.download(pair.reference()), tested(pair));
  }

  /** Throws unless both sides have equal values once the reference is rounded to float. */
  void checkExact(String name, Pair pair) {
    float[] expected = new float[(int) pair.reference().size()];
    reference.downloadSync(pair.reference(), expected, 0);
    new TensorAssert(context, 0, 0).check(name, widen(expected), tested(pair));
  }

  /** Throws unless both sides have the same integers. */
  void checkInts(String name, Pair pair) {
    int[] expected = new int[(int) pair.reference().size()];
    int[] actual = new int[expected.length];
    reference.downloadSync(pair.reference(), expected, 0);
    tested.downloadSync(pair.tested(), actual, 0);
    new TensorAssert(context, 0, 0).check(name, expected, actual);
  }

  /** Throws unless both numbers agree within {@code absolute + relative·|expected|}. */
  void check(String name, double expected, double actual, double absolute, double relative) {
    new TensorAssert(context, absolute, relative)
        .check(name, new double[] {expected}, new double[] {actual});
  }

  /** The tested side's values. */
  private double[] tested(Pair pair) {
    float[] values = new float[(int) pair.tested().size()];
    tested.downloadSync(pair.tested(), values, 0);
    return widen(values);
  }

  private static double[] widen(float[] values) {
    double[] wide = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      wide[i] = values[i];
    }
    return wide;
  }

  /**
   * Throws unless the op, run again on the tested side from the same values, gives the same bits in
   * all tensors of this comparison.
   */
  void checkRepeatable(Call call) {
    List<float[]> before = snapshot();
    call.on(tested, pair -> pair == null ? null : pair.tested());
    List<float[]> first = snapshot();
    restore(before);
    call.on(tested, pair -> pair == null ? null : pair.tested());
    List<float[]> second = snapshot();
    for (int i = 0; i < first.size(); i++) {
      assertArrayEquals(first.get(i), second.get(i), "tensor " + i + " repeated; " + context);
    }
  }

  private List<float[]> snapshot() {
    List<float[]> values = new ArrayList<>();
    for (Pair pair : pairs) {
      float[] copy = new float[pair.tested().dtype() == DType.I32 ? 0 : (int) pair.tested().size()];
      if (copy.length > 0) {
        tested.downloadSync(pair.tested(), copy, 0);
      }
      values.add(copy);
    }
    return values;
  }

  private void restore(List<float[]> values) {
    for (int i = 0; i < values.size(); i++) {
      if (values.get(i).length > 0) {
        tested.upload(values.get(i), 0, pairs.get(i).tested());
      }
    }
  }

  /** Throws unless {@code call} is refused with a message that names {@code tensor}. */
  static void assertShapeError(String tensor, Executable call) {
    String message = assertThrows(IllegalArgumentException.class, call).getMessage();
    assertTrue(
        message.contains(tensor) && message.contains("expected") && message.contains("got"),
        "expected a message with '%s', 'expected' and 'got', got: %s".formatted(tensor, message));
  }

  Backend tested() {
    return tested;
  }

  @Override
  public void close() {
    reference.close();
    tested.close();
  }
}
