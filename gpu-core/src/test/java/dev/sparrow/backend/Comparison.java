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
 * try (Comparison c = compare(seed, "rows 5")) {
 *   Pair x = c.normal(5, 4);
 *   Pair y = c.poisoned(5, 3);
 *   c.run((backend, at) -> backend.matmul().forward(at.of(x), ..., at.of(y)));
 *   c.check("y", y, c.sumOf(4), 1e-5);
 * }
 * }</pre>
 *
 * <p>Tensors have one of a backend's two types. Where that is BF16, inputs are rounded before they
 * go to both sides, so that both start from the same values.
 *
 * <p>Tolerances that a test gives are for fp32 against double. The unit roundoff is u = 2^-24 =
 * 6e-8. An expression of a few operations is held to {@link #FEW_ROUNDINGS}; a sum of n products of
 * values near 1 to an absolute {@link #sumOf}. A BF16 tensor may differ by a relative {@link
 * Bf16#UNIT} more: what it costs to store the fp32 result, rounded once to nearest. Where an op
 * rounds on the way to its result as well, its test adds a multiple of {@link #unit}.
 */
final class Comparison implements AutoCloseable {
  /** A relative 1e-5: 170 unit roundoffs, far below any wrong term. */
  static final double FEW_ROUNDINGS = 1e-5;

  // Elements on either side of a tensor. The odd number starts it at an unaligned address.
  private static final int GUARD = 3;
  private static final int ALIGNED_GUARD = 64; // 128 bytes in the smallest float type
  private static final float GUARD_VALUE = 12352; // in fp32 and bf16

  private final Backend tested;
  private final ReferenceBackend reference = new ReferenceBackend();
  private final RandomValues random;
  private final String context;
  private final int guard;
  private final List<Pair> pairs = new ArrayList<>();
  private final List<Tensor> guards = new ArrayList<>();

  /** The types of a backend's float tensors; one and the same but on a GPU. */
  enum Type {
    /** Of activations, their gradients and the weights that ops read. */
    COMPUTE,
    /** Of parameters, their gradients, statistics, losses and routers. */
    FLOAT;

    DType of(Backend backend) {
      return this == COMPUTE ? backend.computeType() : backend.floatType();
    }
  }

  /**
   * The same tensor on both sides.
   *
   * @param reference null for a tensor that the oracle does not have
   */
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

  /**
   * @param aligned whether tensors start at multiples of 128 bytes in the backend's memory
   * @param what is compared, for messages
   */
  Comparison(Backend tested, boolean aligned, long seed, String what) {
    this.tested = tested;
    this.guard = aligned ? ALIGNED_GUARD : GUARD;
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

  /** Whether the compute type is not the float type. */
  boolean mixed() {
    return tested.computeType() != tested.floatType();
  }

  /**
   * Relative error of one rounding to the compute type where that is BF16, else 0: the share of
   * fp32 roundings is in the tolerances already.
   */
  double unit() {
    return unit(tested.computeType());
  }

  private static double unit(DType dtype) {
    return dtype == DType.BF16 ? Bf16.UNIT : 0;
  }

  /** Standard normal values in the compute type. */
  Pair normal(int... dims) {
    return normal(Type.COMPUTE, dims);
  }

  /** Standard normal values. */
  Pair normal(Type type, int... dims) {
    return values(type, random.normal(size(dims)), dims);
  }

  /** Values in [from, to), in the compute type. */
  Pair uniform(double from, double to, int... dims) {
    return uniform(Type.COMPUTE, from, to, dims);
  }

  /** Values in [from, to). */
  Pair uniform(Type type, double from, double to, int... dims) {
    return values(type, random.uniform(size(dims), from, to), dims);
  }

  /** Integers in [from, to). */
  Pair integers(int from, int to, int... dims) {
    return ints(random.integers(size(dims), from, to), dims);
  }

  /** {@link #poisoned(Type, int...)} in the compute type. */
  Pair poisoned(int... dims) {
    return poisoned(Type.COMPUTE, dims);
  }

  /** NaN everywhere: an op that adds where it should assign, or skips an element, leaves one. */
  Pair poisoned(Type type, int... dims) {
    return values(type, notANumber(dims), dims);
  }

  private static float[] notANumber(int... dims) {
    float[] values = new float[size(dims)];
    Arrays.fill(values, Float.NaN);
    return values;
  }

  private static int size(int... dims) {
    return Math.toIntExact(Shape.of(dims).size());
  }

  /** The given values in the compute type. */
  Pair values(float[] values, int... dims) {
    return values(Type.COMPUTE, values, dims);
  }

  /** The given values, as the type holds them. */
  Pair values(Type type, float[] values, int... dims) {
    DType dtype = type.of(tested);
    float[] held = rounded(dtype, values);
    Pair pair = new Pair(guarded(dtype, dims), reference.allocate(dims));
    tested.upload(held, 0, pair.tested());
    reference.upload(held, 0, pair.reference());
    pairs.add(pair);
    return pair;
  }

  private static float[] rounded(DType dtype, float[] values) {
    float[] rounded = values.clone();
    for (int i = 0; dtype == DType.BF16 && i < rounded.length; i++) {
      rounded[i] = Bf16.round(values[i]);
    }
    return rounded;
  }

  /** NaN in the compute type on the tested side; null on the oracle's, which has one type. */
  Pair testedAlone(int... dims) {
    Pair pair = new Pair(guarded(tested.computeType(), dims), null);
    tested.upload(notANumber(dims), 0, pair.tested());
    pairs.add(pair);
    return pair;
  }

  /** A window inside a larger allocation, as in a parameter arena, with guards at both ends. */
  private Tensor guarded(DType dtype, int... dims) {
    int size = size(dims);
    Tensor whole = tested.allocate(dtype, Shape.of(guard + size + guard));
    tested.elementwise().fill(whole, GUARD_VALUE);
    guards.add(whole.window(0, guard));
    guards.add(whole.window(guard + size, guard));
    return whole.window(guard, size).reshape(dims);
  }

  private void checkGuards() {
    float[] values = new float[guard];
    for (Tensor beside : guards) {
      tested.downloadSync(beside, values, 0);
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

  /**
   * Gives the oracle the tested side's values, so that what follows starts from the same on both
   * and its own error alone is seen.
   */
  void share(Pair pair) {
    reference.upload(floats(pair), 0, pair.reference());
  }

  /**
   * Throws unless the tested side is within {@code absolute + relative·|reference|}, and the
   * rounding of a BF16 tensor.
   */
  void check(String name, Pair pair, double absolute, double relative) {
    DType dtype = pair.tested().dtype();
    new TensorAssert(context, absolute, relative + unit(dtype))
        .check(name + " in " + dtype, reference.download(pair.reference()), widened(floats(pair)));
  }

  /**
   * Throws unless both sides have equal values once the reference is rounded to the tested type.
   */
  void checkExact(String name, Pair pair) {
    float[] expected = new float[(int) pair.reference().size()];
    reference.downloadSync(pair.reference(), expected, 0);
    checkHolds(name, pair, expected);
  }

  /** Throws unless {@code copy} has the values of {@code x}, rounded to nearest even. */
  void checkCopy(String name, Pair x, Pair copy) {
    checkHolds(name, copy, floats(x));
  }

  private void checkHolds(String name, Pair pair, float[] values) {
    DType dtype = pair.tested().dtype();
    new TensorAssert(context, 0, 0)
        .check(name + " in " + dtype, widened(rounded(dtype, values)), widened(floats(pair)));
  }

  /** Throws unless both sides have the same integers. */
  void checkInts(String name, Pair pair) {
    int[] expected = new int[(int) pair.reference().size()];
    reference.downloadSync(pair.reference(), expected, 0);
    new TensorAssert(context, 0, 0).check(name, expected, integers(pair));
  }

  /** Throws unless both numbers agree within {@code absolute + relative·|expected|}. */
  void check(String name, double expected, double actual, double absolute, double relative) {
    new TensorAssert(context, absolute, relative)
        .check(name, new double[] {expected}, new double[] {actual});
  }

  /** The tested side's values. */
  private float[] floats(Pair pair) {
    float[] values = new float[(int) pair.tested().size()];
    tested.downloadSync(pair.tested(), values, 0);
    return values;
  }

  private int[] integers(Pair pair) {
    int[] values = new int[(int) pair.tested().size()];
    tested.downloadSync(pair.tested(), values, 0);
    return values;
  }

  private static double[] widened(float[] values) {
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
    List<Object> before = snapshot();
    call.on(tested, pair -> pair == null ? null : pair.tested());
    List<Object> first = snapshot();
    restore(before);
    call.on(tested, pair -> pair == null ? null : pair.tested());
    List<Object> second = snapshot();
    for (int i = 0; i < first.size(); i++) {
      String what = "tensor %d, %s, repeated; %s".formatted(i, pairs.get(i).tested(), context);
      assertArrayEquals(new Object[] {first.get(i)}, new Object[] {second.get(i)}, what);
    }
  }

  /**
   * Throws unless both calls, from the same values, leave the same bits in the results on the
   * tested side.
   */
  void checkSameBits(Call one, Call other, Pair... results) {
    List<Object> before = snapshot();
    one.on(tested, Pair::tested);
    checkGuards();
    List<float[]> expected = Arrays.stream(results).map(this::floats).toList();
    restore(before);
    other.on(tested, Pair::tested);
    checkGuards();
    for (int i = 0; i < results.length; i++) {
      String what = "result %d, %s; %s".formatted(i, results[i].tested(), context);
      assertArrayEquals(expected.get(i), floats(results[i]), what);
    }
  }

  /** A float[] or int[] of each tensor; floats hold every bf16 exactly. */
  private List<Object> snapshot() {
    List<Object> values = new ArrayList<>();
    for (Pair pair : pairs) {
      values.add(pair.tested().dtype() == DType.I32 ? integers(pair) : floats(pair));
    }
    return values;
  }

  private void restore(List<Object> values) {
    for (int i = 0; i < values.size(); i++) {
      if (values.get(i) instanceof int[] ints) {
        tested.upload(ints, 0, pairs.get(i).tested());
      } else {
        tested.upload((float[]) values.get(i), 0, pairs.get(i).tested());
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

  @Override
  public void close() {
    reference.close();
    tested.close();
  }
}
