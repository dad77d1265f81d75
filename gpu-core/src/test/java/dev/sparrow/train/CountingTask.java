package dev.sparrow.train;

import static dev.sparrow.train.ToyRun.CONTEXT;
import static dev.sparrow.train.ToyRun.VOCABULARY;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.data.EpochsInMemory;
import dev.sparrow.data.SweepInMemory;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.data.TokenRows;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.HostInts;
import java.util.Random;
import java.util.function.IntFunction;

/** Sequences that count upwards with some noise. */
final class CountingTask implements ToyTask {
  private static final int ROWS = 90;

  static int[] tokens(long seed) {
    Random random = new Random(seed);
    int[] tokens = new int[ROWS * (CONTEXT + 1)];
    for (int i = 0; i < tokens.length; i++) {
      boolean fresh = i % (CONTEXT + 1) == 0 || random.nextInt(10) == 0;
      tokens[i] = fresh ? random.nextInt(VOCABULARY) : (tokens[i - 1] + 1) % VOCABULARY;
    }
    return tokens;
  }

  @Override
  public Model model(Backend backend, RunConfig config, Method method) {
    return Models.languageModel(backend, config, VOCABULARY, method);
  }

  @Override
  public BatchSource train(RunConfig config, BatchPlan plan, IntFunction<HostInts> memory) {
    TokenRows rows = new TokenRows(tokens(1), CONTEXT, memory);
    return new EpochsInMemory<>(rows, plan, config.train().seed(), true);
  }

  @Override
  public BatchSource validation(RunConfig config, BatchPlan plan, IntFunction<HostInts> memory) {
    return new SweepInMemory<>(new TokenRows(tokens(2), CONTEXT, memory), plan);
  }

  @Override
  public int hash(Batch batch, int row) {
    TokenBatch sequences = (TokenBatch) batch;
    int hash = 0;
    for (int i = 0; i <= CONTEXT; i++) {
      hash = hash * VOCABULARY + sequences.tokens().get(row * (CONTEXT + 1) + i);
    }
    return hash;
  }
}
