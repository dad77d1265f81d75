package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.data.UnigramModel;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class TrainerTest {
  @Test
  void lossFallsBelowTheUnigramModels() {
    ToyRun.Result run = new ToyRun("train.steps=120", "train.log-every=40").alone();
    double unigram =
        UnigramModel.loss(counts(CountingTask.tokens(1)), counts(CountingTask.tokens(2)));
    assertEquals(Math.log(ToyRun.VOCABULARY), unigram, 0.1);
    assertTrue(
        run.summary().validationLoss() < 0.7 * unigram,
        "validation loss " + run.summary().validationLoss() + ", unigram " + unigram);
  }

  private static long[] counts(int[] tokens) {
    long[] counts = new long[ToyRun.VOCABULARY];
    for (int token : tokens) {
      counts[token]++;
    }
    return counts;
  }

  @Test
  void rowsComeWhenDueWithTheirFigures() {
    ToyRun.Result run =
        new ToyRun("train.steps=10", "train.log-every=4", "train.validate-every=5").alone();
    assertEquals(List.of(4L, 5L, 8L, 10L), run.rows().stream().map(MetricsRow::step).toList());
    assertEquals(
        List.of(false, true, false, true),
        run.rows().stream().map(MetricsRow::hasValidation).toList());
    MetricsRow last = run.rows().get(3);
    assertEquals(10 * 8 * ToyRun.CONTEXT, last.trained());
    assertEquals(80 / 88.0, last.epoch());
    assertTrue(last.gradNorm() > 0 && last.unitsPerSecond() > 0);
    assertTrue(last.dataWaitShare() >= 0 && last.dataWaitShare() < 1);
    assertEquals(run.summary().validationLoss(), last.validationLoss());
    assertEquals(run.parameters(), run.summary().parameters());
    assertEquals(run.parameters(), run.summary().activeParameters());
    assertTrue(
        last.toJson().startsWith("{\"step\":10,\"epoch\":0.9090909090909091,\"tokens\":640,"));
    for (String field : List.of("loss", "lr", "grad_norm", "tokens_per_second")) {
      assertTrue(last.fields().containsKey(field), field);
    }
  }

  /** Sums over ranks and over micro-batches differ in order alone: a few fp32 roundings a step. */
  @Test
  void twoRanksEqualOneWithTwiceTheMicroBatches() throws Exception {
    String[] settings = {
      "optimizer.name=sgd", "optimizer.learning-rate=0.05", "train.micro-batch=2"
    };
    ToyRun.Result one = new ToyRun(settings).alone();
    List<ToyRun.Result> two = new ToyRun(settings).ranks(2);
    assertArrayEquals(two.get(0).weights(), two.get(1).weights(), "replicas");
    for (int i = 0; i < one.weights().length; i++) {
      float expected = one.weights()[i];
      assertEquals(expected, two.get(0).weights()[i], 1e-6 + 1e-5 * Math.abs(expected), "at " + i);
    }
    for (int i = 0; i < one.rows().size(); i++) {
      assertEquals(one.losses().get(i), two.get(0).losses().get(i), 1e-5);
    }
    assertEquals(one.summary().validationLoss(), two.get(1).summary().validationLoss(), 1e-5);
    assertTrue(two.get(1).rows().isEmpty(), "only rank 0 tells");
  }

  @Test
  void repeatedRunsHaveTheSameBits() throws Exception {
    ToyRun run = new ToyRun("train.micro-batch=2");
    assertArrayEquals(run.alone().weights(), run.alone().weights());
    assertArrayEquals(run.ranks(2).get(0).weights(), run.ranks(2).get(1).weights());
  }

  @Test
  void aStopRequestOfOneRankEndsAllAtTheSameStep() throws Exception {
    List<ToyRun.Result> two =
        Ranks.run(
            2,
            ring ->
                new ToyRun()
                    .hook((step, arena, backend) -> ring.rank() == 1 && step == 4)
                    .on(ring));
    for (ToyRun.Result rank : two) {
      assertEquals(4, rank.summary().steps());
      assertTrue(rank.summary().stopped());
      assertFalse(rank.summary().fields().containsKey("validation_loss"));
    }
  }

  @Test
  void anInterruptEndsTheRunAndItsMemoryIsGivenBack() {
    List<Long> steps = new ArrayList<>();
    ToyRun run =
        new ToyRun()
            .sink(
                row -> {
                  steps.add(row.step());
                  if (row.step() == 3) {
                    Thread.currentThread().interrupt();
                  }
                });
    Exception error = assertThrows(TrainingInterruptedException.class, run::alone);
    assertEquals("training: interrupted after step 3", error.getMessage());
    assertEquals(LongStream.rangeClosed(1, 3).boxed().toList(), steps);
  }

  @Test
  void batchesThatDoNotDivideAreRefused() {
    ToyRun run = new ToyRun("train.batch=9");
    Exception error = assertThrows(IllegalArgumentException.class, () -> run.ranks(2));
    assertTrue(error.getMessage().startsWith("train.batch: expected a multiple of the 2 ranks"));
  }

  @Test
  void unigramLossIsTheCrossEntropyOfSmoothedCounts() {
    double expected = -(3 * Math.log(4.0 / 7) + 1 * Math.log(1.0 / 7)) / 4;
    assertEquals(expected, UnigramModel.loss(new long[] {3, 1, 0}, new long[] {3, 0, 1}), 1e-15);
  }
}
