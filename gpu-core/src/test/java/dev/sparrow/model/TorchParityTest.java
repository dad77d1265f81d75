package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.ModelShape.NormKind;
import dev.sparrow.config.ModelShape.Positions;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * PyTorch's logits, loss, gradients and ten AdamW losses of a GPT and of a Llama, from the same
 * weights. PyTorch computed them in double from float weights.
 */
class TorchParityTest {
  private static final int SEQUENCES = 3;
  private static final int CONTEXT = 8;
  private static final int VOCABULARY = 17;

  /**
   * The double oracle rounds 1e-16 an operation, as PyTorch's double does, but in another order:
   * some forty operations deep, 1e-13 leaves a factor of ten and more.
   */
  @ParameterizedTest
  @ValueSource(strings = {"gpt", "llama"})
  void doubleOracle(String name) {
    ReferenceBackend backend = new ReferenceBackend();
    new Parity(name, backend, backend::download, 1e-13, 1e-13).check();
  }

  /**
   * fp32 rounds 6e-8 an operation, some forty of them deep with sums of up to 64 products among
   * them: 5e-6. The losses are means over 24 tokens, where roundings cancel: 1e-6.
   */
  @ParameterizedTest
  @ValueSource(strings = {"gpt", "llama"})
  void cpu(String name) {
    Backend backend = new CpuBackend(2);
    new Parity(name, backend, tensor -> Values.of(backend, tensor), 5e-6, 1e-6).check();
  }

  /** Our model with PyTorch's weights. */
  private static final class Parity {
    private final TorchGolden golden;
    private final Backend backend;
    private final Function<Tensor, double[]> download;
    private final TransformerLm model;
    private final ParameterArena arena;
    private final TokenBatch batch = new TokenBatch(SEQUENCES, CONTEXT);
    private final TensorAssert close;
    private final TensorAssert afterUpdates;

    Parity(
        String name,
        Backend backend,
        Function<Tensor, double[]> download,
        double tolerance,
        double lossTolerance) {
      this.golden = new TorchGolden(name);
      this.backend = backend;
      this.download = download;
      this.model =
          new TransformerLm(
              backend, shape(name.equals("llama")), VOCABULARY, new DenseMethod(backend));
      this.arena = new ParameterArena(backend, model.parameters());
      this.close = new TensorAssert(name, tolerance, tolerance);
      this.afterUpdates = new TensorAssert(name, lossTolerance, lossTolerance);
      model.reserve(new Workspace(backend), SEQUENCES);
      arena.parameters().forEach(p -> backend.upload(golden.weight(p), 0, p.value()));
      batch.tokens().put(0, golden.ids(), 0, batch.tokens().limit());
      batch.filled(SEQUENCES, 0);
    }

    private static ModelShape shape(boolean llama) {
      return new ModelShape(
          ModelShape.Kind.TRANSFORMER,
          2,
          2,
          16,
          llama ? 40 : 0,
          CONTEXT,
          llama ? Positions.ROTARY : Positions.LEARNED,
          10000,
          llama ? NormKind.RMS : NormKind.LAYER,
          1e-5,
          llama ? Activation.SILU : Activation.GELU,
          llama,
          !llama,
          llama,
          0,
          0.02,
          List.of(),
          1,
          0);
    }

    void check() {
      try (backend) {
        assertEquals(golden.names(), arena.parameters().stream().map(Parameter::name).toList());
        checkLogits();
        close.check("loss", new double[] {golden.loss()}, new double[] {loss()});
        for (Parameter p : arena.parameters()) {
          close.check(p.name(), golden.gradient(p), download.apply(p.gradient()));
        }
        checkUpdates();
      }
    }

    private void checkLogits() {
      Tensor logits = backend.allocate(SEQUENCES * CONTEXT, VOCABULARY);
      model.logits(batch, Pass.inference(SEQUENCES, CONTEXT), logits);
      close.check("logits", golden.logits(), download.apply(logits));
    }

    /** Forward and backward on gradients of 0. */
    private double loss() {
      int tokens = SEQUENCES * CONTEXT;
      arena.zeroGradients();
      model.forwardBackward(
          batch, new Pass(true, 0, 0, SEQUENCES, CONTEXT, 1.0 / tokens), parameter -> {});
      return model.lossSumSync() / tokens;
    }

    private void checkUpdates() {
      Tensor first = backend.allocate((int) arena.size());
      Tensor second = backend.allocate((int) arena.size());
      double[] losses = new double[golden.losses().length];
      for (int step = 0; step < losses.length; step++) {
        losses[step] = loss();
        backend.optimizer().adamW(golden.adamW(step + 1), 1, arena.weights(), first, second);
      }
      afterUpdates.check("AdamW losses", golden.losses(), losses);
    }
  }
}
