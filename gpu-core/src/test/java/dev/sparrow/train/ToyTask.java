package dev.sparrow.train;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Model;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.HostInts;
import java.util.function.IntFunction;

/** What a {@link ToyRun} learns. */
interface ToyTask {
  Model model(Backend backend, RunConfig config, Method method);

  BatchSource train(RunConfig config, BatchPlan plan, IntFunction<HostInts> memory);

  BatchSource validation(RunConfig config, BatchPlan plan, IntFunction<HostInts> memory);

  /** A number for a sample of a batch, as good as its content. */
  int hash(Batch batch, int row);
}
