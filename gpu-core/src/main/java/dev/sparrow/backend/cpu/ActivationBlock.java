package dev.sparrow.backend.cpu;

/**
 * A block of elements on its way through the passes of a nonlinearity: arrays, first elements and
 * the scratch in which one pass leaves what the next needs. Each thread keeps its own; a block
 * allocates nothing.
 *
 * <p>Outputs may be inputs: a pass reads an element of every input before it writes that element of
 * an output, and only the last pass writes outputs.
 */
final class ActivationBlock {
  /** Elements; five such arrays fit the first-level cache. */
  static final int SIZE = 1024;

  private static final ThreadLocal<ActivationBlock> CURRENT =
      ThreadLocal.withInitial(ActivationBlock::new);

  /** Input of the nonlinearity: x, or the gate. */
  float[] x;

  int xo;

  /** Factor of a gated value. */
  float[] up;

  int uo;

  /** Gradient of the result. */
  float[] dy;

  int dyo;

  /** Result, or gradient of x. */
  float[] out;

  int oo;

  /** Gradient of {@link #up}. */
  float[] dup;

  int duo;

  /** Elements of this block, a multiple of the vector width. */
  int n;

  /** What the first pass computes, from 0 on. */
  final float[] first = new float[SIZE];

  /** What the second pass computes, from 0 on. */
  final float[] second = new float[SIZE];

  private final float[] tails = new float[5 * Lanes.COUNT];

  private ActivationBlock() {}

  /** The calling thread's block, over these arrays; null where an operation has none. */
  static ActivationBlock of(
      float[] x,
      int xo,
      float[] up,
      int uo,
      float[] dy,
      int dyo,
      float[] out,
      int oo,
      float[] dup,
      int duo) {
    ActivationBlock block = CURRENT.get();
    block.x = x;
    block.xo = xo;
    block.up = up;
    block.uo = uo;
    block.dy = dy;
    block.dyo = dyo;
    block.out = out;
    block.oo = oo;
    block.dup = dup;
    block.duo = duo;
    return block;
  }

  /** Takes {@code count} elements through the passes, block by block, and forgets the arrays. */
  void run(ActivationPass[] passes, int count) {
    int left = count;
    while (left >= Lanes.COUNT) {
      n = Lanes.whole(Math.min(SIZE, left));
      through(passes);
      xo += n;
      uo += n;
      dyo += n;
      oo += n;
      duo += n;
      left -= n;
    }
    if (left > 0) {
      tail(passes, left);
    }
    x = up = dy = out = dup = null;
  }

  private void through(ActivationPass[] passes) {
    for (ActivationPass pass : passes) {
      pass.run(this);
    }
  }

  /** Fewer elements than a vector go through a padded copy. */
  private void tail(ActivationPass[] passes, int left) {
    float[] result = out;
    float[] upGradient = dup;
    int resultAt = oo;
    int upGradientAt = duo;
    xo = pad(x, xo, 0, left);
    uo = pad(up, uo, 1, left);
    dyo = pad(dy, dyo, 2, left);
    oo = 3 * Lanes.COUNT;
    duo = 4 * Lanes.COUNT;
    x = up = dy = out = dup = tails;
    n = Lanes.COUNT;
    through(passes);
    System.arraycopy(tails, oo, result, resultAt, left);
    if (upGradient != null) {
      System.arraycopy(tails, duo, upGradient, upGradientAt, left);
    }
  }

  private int pad(float[] from, int at, int slot, int left) {
    int to = slot * Lanes.COUNT;
    if (from != null) {
      System.arraycopy(from, at, tails, to, left);
    }
    return to;
  }
}
