package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.Moe;
import dev.sparrow.config.Moe.Dispatch;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.model.SmallModel.Kind;
import dev.sparrow.nn.CrossEntropyHead;
import dev.sparrow.nn.KeyValueCache;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.moe.MoeMethod;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A mixture of experts inside the whole model: what its blocks and the residual stream share. */
class MoeLmTest {
  /** Without auxiliary losses, which are no part of the loss that is told. */
  @ParameterizedTest
  @EnumSource(Kind.class)
  void gradientsAreTheDerivativesOfTheLoss(Kind kind) {
    try (SmallModel small = small(new ReferenceBackend(), kind, 0.2, moe(1, 0))) {
      TokenBatch batch = SmallModel.batch(3, 40);
      Pass pass = SmallModel.pass(batch, 3 * SmallModel.CONTEXT);
      small.model.forwardBackward(batch, pass, parameter -> {});
      FiniteDifferences differences =
          new FiniteDifferences(
              () -> {
                small.model.forward(batch, pass);
                return pass.lossScale() * small.model.lossSumSync();
              });
      Set<Parameter> distinct = new LinkedHashSet<>(small.model.parameters());
      distinct.forEach(p -> differences.gradient(p.name(), p.value(), p.gradient()));
      differences.samples(16, 3).check();
    }
  }

  /** See TransformerLmTest on the tolerance. */
  @Test
  void cpuEqualsTheDoubleOracle() {
    try (SmallModel cpu = small(new CpuBackend(2), Kind.LLAMA, 0.1, moe(2, 0.01));
        SmallModel oracle = small(new ReferenceBackend(), Kind.LLAMA, 0.1, moe(2, 0.01))) {
      TokenBatch batch = SmallModel.batch(3, 8);
      TensorAssert close = new TensorAssert("moe, seed 5", 1e-5, 1e-5);
      close.check("loss", new double[] {oracle.step(batch)}, new double[] {cpu.step(batch)});
      close.check(
          "gradients",
          Values.of(oracle.backend, oracle.arena.gradients()),
          Values.of(cpu.backend, cpu.arena.gradients()));
    }
  }

  /** No token waits for another's choice of expert: one at a time gives what all at once give. */
  @Test
  void cachedGenerationEqualsTheWholePass() {
    try (SmallModel small = small(new ReferenceBackend(), Kind.GPT, 0, moe(1, 0));
        KeyValueCache cache = small.model.cache(1)) {
      TokenBatch batch = SmallModel.batch(1, 8);
      Tensor all = small.backend.allocate(SmallModel.CONTEXT, SmallModel.VOCABULARY);
      small.model.logits(batch, Pass.inference(1, SmallModel.CONTEXT), all);
      int[] ids = new int[SmallModel.CONTEXT];
      batch.tokens().get(0, ids);
      small.model.logits(Arrays.copyOf(ids, 4), cache);
      small.model.logits(new int[] {ids[4]}, cache);
      Tensor last = small.model.logits(new int[] {ids[5]}, cache);
      new TensorAssert("sample 8", 1e-6, 1e-6)
          .check(
              "logits",
              Values.of(small.backend, all.slice(SmallModel.CONTEXT - 1, 1)),
              Values.of(small.backend, last));
    }
  }

  /** Two of four experts: half of their weights, and less than all of the model's. */
  @Test
  void activeParametersLeaveOutTheOtherExperts() {
    try (SmallModel small = small(new CpuBackend(1), Kind.LLAMA, 0, moe(1, 0))) {
      long[] sums = new long[2];
      small.model.describe(
          row -> {
            sums[0] += row.parameters();
            sums[1] += row.activeParameters();
          });
      assertEquals(small.arena.parameterCount(), sums[0]);
      long experts = 2L * 4 * 3 * 8 * 12;
      assertTrue(sums[1] == sums[0] - experts / 2, sums[1] + " of " + sums[0]);
    }
  }

  private static SmallModel small(Backend backend, Kind kind, double dropout, Moe moe) {
    ModelShape shape = kind.shape(dropout);
    MoeMethod method = new MoeMethod(backend, moe, shape, new DenseMethod(backend));
    return new SmallModel(backend, shape, method, 3, CrossEntropyHead.CHUNK_BYTES);
  }

  /** Four experts, two a token. */
  private static Moe moe(int every, double losses) {
    return new Moe(4, 2, 0, 0, Dispatch.DROPLESS, 1.25, 0, 1, losses, losses, 0, every);
  }
}
