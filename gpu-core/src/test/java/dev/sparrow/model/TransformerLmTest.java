package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.model.SmallModel.Kind;
import dev.sparrow.nn.CrossEntropyHead;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TransformerLmTest {
  private static final int TOKENS = 3 * SmallModel.CONTEXT;

  /**
   * fp32 against double. A value passes through some thirty operations with a relative rounding of
   * 6e-8 each, sums of up to 32 terms among them: 1e-5 leaves a factor of five.
   */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void cpuEqualsTheDoubleOracle(Kind kind) {
    try (SmallModel cpu = new SmallModel(new CpuBackend(2), kind, 0.1, 3);
        SmallModel oracle = new SmallModel(new ReferenceBackend(), kind, 0.1, 3)) {
      TokenBatch batch = SmallModel.batch(3, 8);
      TensorAssert close = new TensorAssert(kind + ", seed 5", 1e-5, 1e-5);
      close.check("loss", new double[] {oracle.step(batch)}, new double[] {cpu.step(batch)});
      close.check("gradients", gradients(oracle), gradients(cpu));
      close.check("logits", logits(oracle, batch), logits(cpu, batch));
    }
  }

  private static double[] gradients(SmallModel small) {
    return Values.of(small.backend, small.arena.gradients());
  }

  private static double[] logits(SmallModel small, TokenBatch batch) {
    Tensor out = small.backend.allocate(TOKENS, SmallModel.VOCABULARY);
    small.model.logits(batch, Pass.inference(3, SmallModel.CONTEXT), out);
    return Values.of(small.backend, out);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void evaluationEqualsTrainingLossWithoutDropout(Kind kind) {
    try (SmallModel small = new SmallModel(new CpuBackend(1), kind, 0, 3)) {
      TokenBatch batch = SmallModel.batch(3, 8);
      double training = small.step(batch) * TOKENS;
      small.model.forward(batch, Pass.inference(3, SmallModel.CONTEXT));
      assertEquals(training, small.model.lossSumSync());
    }
  }

  /** Losses and the gradients of all but the head's matrix do not know of chunks. */
  @Test
  void chunkedHeadEqualsWhole() {
    TokenBatch batch = SmallModel.batch(3, 8);
    long rowBytes = (long) SmallModel.VOCABULARY * DType.F64.bytes();
    try (SmallModel whole = small(CrossEntropyHead.CHUNK_BYTES);
        SmallModel chunked = small(5 * rowBytes)) {
      assertEquals(whole.step(batch), chunked.step(batch));
      new TensorAssert("chunks of 5 rows", 1e-9, 1e-9)
          .check("gradients", gradients(whole), gradients(chunked));
    }
  }

  private static SmallModel small(long logitBytes) {
    return new SmallModel(new ReferenceBackend(), Kind.TIED_GPT.shape(0), 3, logitBytes);
  }

  /** The same samples in one micro-batch of four and in two of two: the same masks. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void dropoutFollowsTheSampleNotTheMicroBatch(Kind kind) {
    try (SmallModel whole = new SmallModel(new ReferenceBackend(), kind, 0.3, 4);
        SmallModel split = new SmallModel(new ReferenceBackend(), kind, 0.3, 2)) {
      int tokens = 4 * SmallModel.CONTEXT;
      double expected = lossSum(whole, SmallModel.batch(4, 8), tokens);
      double first = lossSum(split, SmallModel.batch(2, 8), tokens);
      double second = lossSum(split, SmallModel.batch(2, 10), tokens);
      assertEquals(expected, first + second, 1e-12);
      new TensorAssert("dropout 0.3, seed 9", 1e-9, 1e-9)
          .check("gradients", gradients(whole), gradients(split));
    }
  }

  private static double lossSum(SmallModel small, TokenBatch batch, int globalTokens) {
    small.model.forwardBackward(batch, SmallModel.pass(batch, globalTokens), parameter -> {});
    return small.model.lossSumSync();
  }

  @Test
  void dropoutDiffersBetweenSteps() {
    try (SmallModel small = new SmallModel(new ReferenceBackend(), Kind.GPT, 0.3, 2)) {
      TokenBatch batch = SmallModel.batch(2, 8);
      double now = small.step(batch);
      batch.filled(2, 16); // the same ids as later samples
      assertTrue(now != small.step(batch), "the loss under another mask");
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void repeatedStepGivesTheSameBits(Kind kind) {
    TokenBatch batch = SmallModel.batch(3, 8);
    float[][] gradients = new float[2][];
    double[] losses = new double[2];
    for (int run = 0; run < 2; run++) {
      try (SmallModel small = new SmallModel(new CpuBackend(2), kind, 0.1, 3)) {
        losses[run] = small.step(batch);
        gradients[run] = Values.floats(small.backend, small.arena.gradients());
      }
    }
    assertEquals(losses[0], losses[1]);
    assertArrayEquals(gradients[0], gradients[1]);
  }

  /** Told in reverse arena order, each once, and only when the gradient is final. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void parametersCompleteFromTheEndOfTheArena(Kind kind) {
    try (SmallModel small = new SmallModel(new CpuBackend(1), kind, 0, 3)) {
      List<Parameter> order = new ArrayList<>();
      List<float[]> then = new ArrayList<>();
      TokenBatch batch = SmallModel.batch(3, 8);
      small.model.forwardBackward(
          batch,
          SmallModel.pass(batch, TOKENS),
          parameter -> {
            order.add(parameter);
            then.add(Values.floats(small.backend, parameter.gradient()));
          });
      for (int i = 0; i < order.size(); i++) {
        float[] now = Values.floats(small.backend, order.get(i).gradient());
        assertArrayEquals(then.get(i), now, order.get(i).name());
      }
      Collections.reverse(order);
      assertEquals(small.arena.parameters(), order);
    }
  }

  @Test
  void tokenBeyondTheVocabularyIsNamed() {
    try (SmallModel small = new SmallModel(new CpuBackend(1), Kind.GPT, 0, 2)) {
      TokenBatch batch = SmallModel.batch(2, 0);
      batch.tokens().put(SmallModel.CONTEXT + 1 + 4, SmallModel.VOCABULARY);
      String message =
          assertThrows(IllegalArgumentException.class, () -> small.step(batch)).getMessage();
      assertTrue(message.contains("[0, 11), got 11 in sequence 1 at position 4"), message);
    }
  }
}
