package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The oracle's attention: backward is the derivative of forward, the cache changes nothing. */
class AttentionOracleTest {
  private static final AttentionShape SHAPE = new AttentionShape(2, 5, 2, 4);
  private final ReferenceBackend backend = new ReferenceBackend();
  private final AttentionOps ops = backend.attention();
  private final Oracle oracle = new Oracle(backend, 14);
  private final Tensor qkv = oracle.normal(SHAPE.tokens(), 3 * SHAPE.width());
  private final Tensor out = oracle.poisoned(SHAPE.tokens(), SHAPE.width());
  private final Tensor logSumExp = oracle.poisoned(4, 5);

  @Test
  void backwardIsTheDerivativeOfForward() {
    check(AttentionOps.Dropout.NONE);
  }

  @Test
  void backwardIsTheDerivativeOfForwardUnderDropout() {
    check(new AttentionOps.Dropout(0.3, Draws.from(new RandomKey(5, 6), 1000)));
  }

  private void check(AttentionOps.Dropout dropout) {
    Tensor dout = oracle.normal(SHAPE.tokens(), SHAPE.width());
    Tensor dqkv = oracle.poisoned(SHAPE.tokens(), 3 * SHAPE.width());
    ops.forward(SHAPE, qkv, dropout, out, logSumExp);
    ops.backward(SHAPE, qkv, out, logSumExp, dout, dropout, dqkv);
    new FiniteDifferences(
            () -> {
              ops.forward(SHAPE, qkv, dropout, out, logSumExp);
              return FiniteDifferences.dot(out, dout);
            })
        .gradient("qkv", qkv, dqkv)
        .allElements()
        .check();
  }

  /** A sequence given token by token to the cache, and one given whole, see the same tokens. */
  @Test
  void cachedTokensEqualTheWholeSequence() {
    AttentionShape whole = new AttentionShape(1, 5, 2, 4);
    AttentionShape single = new AttentionShape(1, 1, 2, 4);
    Tensor sequence = qkv.first(5);
    Tensor expected = out.first(5);
    ops.forward(whole, sequence, AttentionOps.Dropout.NONE, expected, logSumExp.first(2));
    Tensor keys = backend.allocate(1, 6, 8);
    Tensor values = backend.allocate(1, 6, 8);
    Tensor cached = oracle.poisoned(5, 8);
    for (int t = 0; t < 5; t++) {
      ops.forwardCached(single, sequence.slice(t, 1), keys, values, t, cached.slice(t, 1));
    }
    assertArrayEquals(backend.download(expected), backend.download(cached), 1e-14);
  }

  @Test
  void laterTokensDoNotReachEarlierOnes() {
    ops.forward(SHAPE, qkv, AttentionOps.Dropout.NONE, out, logSumExp);
    double[] before = backend.download(out.first(4));
    double[] changed = new double[3 * SHAPE.width()];
    Arrays.fill(changed, 3);
    backend.upload(changed, 0, qkv.slice(4, 1));
    ops.forward(SHAPE, qkv, AttentionOps.Dropout.NONE, out, logSumExp);
    assertArrayEquals(before, backend.download(out.first(4)));
  }
}
