package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.model.SmallModel.Kind;
import dev.sparrow.nn.KeyValueCache;
import dev.sparrow.nn.Pass;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Generation with a key-value cache predicts what a whole forward pass predicts. */
class CachedGenerationTest {
  private static final int ROW = SmallModel.CONTEXT + 1;

  /** Equal up to the last rounding to float: the sums are the same ones. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void cachedEqualsWholeInDouble(Kind kind) {
    check(new ReferenceBackend(), kind, 1e-6);
  }

  /** Sums of up to 32 products of values near 1, in another order. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void cachedEqualsWholeOnTheCpu(Kind kind) {
    check(new CpuBackend(2), kind, 1e-5);
  }

  /** Two sequences: a prompt of three tokens, then one token each, then two at once. */
  private static void check(Backend backend, Kind kind, double tolerance) {
    try (SmallModel small = new SmallModel(backend, kind, 0, 2);
        KeyValueCache cache = small.model.cache(2)) {
      TokenBatch batch = SmallModel.batch(2, 8);
      double[] whole = whole(small, batch);
      TensorAssert close = new TensorAssert(kind + ", samples 8 and 9", tolerance, tolerance);
      int from = 0;
      for (int to : new int[] {3, 4, 6}) {
        Tensor logits = small.model.logits(columns(batch, from, to), cache);
        double[] actual = Values.of(backend, logits);
        for (int b = 0; b < 2; b++) {
          close.check("after " + to, row(whole, b * SmallModel.CONTEXT + to - 1), row(actual, b));
        }
        from = to;
      }
    }
  }

  private static double[] whole(SmallModel small, TokenBatch batch) {
    Tensor out = small.backend.allocate(2 * SmallModel.CONTEXT, SmallModel.VOCABULARY);
    small.model.logits(batch, Pass.inference(2, SmallModel.CONTEXT), out);
    return Values.of(small.backend, out);
  }

  private static double[] row(double[] logits, int i) {
    return Arrays.copyOfRange(logits, i * SmallModel.VOCABULARY, (i + 1) * SmallModel.VOCABULARY);
  }

  private static int[] columns(TokenBatch batch, int from, int to) {
    int[] ids = new int[2 * (to - from)];
    for (int b = 0; b < 2; b++) {
      batch.tokens().get(b * ROW + from, ids, b * (to - from), to - from);
    }
    return ids;
  }

  @Test
  void fullCacheSaysWhatToDo() {
    try (SmallModel small = new SmallModel(new CpuBackend(1), Kind.GPT, 0, 1);
        KeyValueCache cache = small.model.cache(1)) {
      small.model.logits(new int[] {1, 2, 3, 4, 5}, cache);
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> small.model.logits(new int[] {1, 2}, cache))
              .getMessage();
      assertTrue(message.contains("expected 1 to 1 more tokens") && message.contains("clear"));
    }
  }
}
