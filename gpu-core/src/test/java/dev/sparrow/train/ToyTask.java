package dev.sparrow.train;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Model;
import dev.sparrow.sparsity.Method;

/** What a {@link ToyRun} learns. */
interface ToyTask {
  Model model(Backend backend, RunConfig config, Method method);

  BatchSource train(RunConfig config, BatchPlan plan);

  BatchSource validation(RunConfig config, BatchPlan plan);

  /** A number for a sample of a batch, as good as its content. */
  int hash(Batch batch, int row);
}
