package dev.sparrow.nn;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every layer's backward pass is the derivative of its forward pass, in double. */
class LayerGradientTest {
  private static final int WIDTH = 8;
  private static final Pass PASS = new Pass(true, 7, 30, 2, 5, 1.0 / 10);

  private final GradientCheck check = new GradientCheck(21);
  private final ReferenceBackend backend = check.backend();
  private final Function<LinearSpec, LinearWeight> dense = spec -> new DenseWeight(backend, spec);

  @AfterEach
  void close() {
    check.close();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void linear(boolean bias) {
    Linear linear = new Linear("l", dense.apply(new LinearSpec("l", WIDTH, 5, 0.1)), bias);
    check.check(new LinearLayer(backend, linear), WIDTH, 5, PASS);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void layerNorm(boolean bias) {
    check.check(
        new NormLayer(backend, new LayerNorm(backend, "n", WIDTH, 1e-5, bias)), WIDTH, WIDTH, PASS);
  }

  @Test
  void rmsNorm() {
    check.check(new NormLayer(backend, new RmsNorm(backend, "n", WIDTH, 1e-5)), WIDTH, WIDTH, PASS);
  }

  @ParameterizedTest
  @CsvSource({
    "true, 0, 0, true",
    "true, 0, 0.3, true",
    "true, 10000, 0, false",
    "true, 100, 0.3, true",
    "false, 0, 0, true",
    "false, 100, 0.3, false"
  })
  void attention(boolean causal, double rotaryTheta, double dropout, boolean bias) {
    check.check(attentionLayer(causal, rotaryTheta, dropout, bias), WIDTH, WIDTH, PASS);
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void feedForward(Activation activation) {
    check.check(feedForwardLayer(activation, false, true), WIDTH, WIDTH, PASS);
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void gatedFeedForward(Activation activation) {
    check.check(feedForwardLayer(activation, true, false), WIDTH, WIDTH, PASS);
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 0.3})
  void block(double p) {
    Block block =
        new Block(
            backend,
            WIDTH,
            new Block.Branch<>(
                new LayerNorm(backend, "norm1", WIDTH, 1e-5, true),
                attentionLayer(true, 0, p, true),
                new Dropout(backend, "attention.dropout", p)),
            new Block.Branch<>(
                new RmsNorm(backend, "norm2", WIDTH, 1e-5),
                feedForwardLayer(Activation.GELU, true, true),
                new Dropout(backend, "feed_forward.dropout", p)));
    check.check(block, WIDTH, WIDTH, PASS);
  }

  private SelfAttention attentionLayer(
      boolean causal, double rotaryTheta, double dropout, boolean bias) {
    return new SelfAttention(
        backend,
        new AttentionSpec("a", 0, WIDTH, 2, 6, causal, bias, rotaryTheta, dropout, 0.1, 0.1),
        dense);
  }

  private DenseFeedForward feedForwardLayer(Activation activation, boolean gated, boolean bias) {
    return new DenseFeedForward(
        backend, new FeedForwardSpec("f", 0, WIDTH, 12, activation, gated, bias, 0.1, 0.1), dense);
  }

  /** A linear with buffers of its own; dx is added to ones to see that accumulate adds. */
  private record LinearLayer(Backend backend, Linear linear, Tensor[] held) implements Layer {
    LinearLayer(Backend backend, Linear linear) {
      this(backend, linear, new Tensor[3]);
    }

    @Override
    public void parameters(Consumer<Parameter> sink) {
      linear.parameters(sink);
    }

    @Override
    public void reserve(Workspace workspace, int tokens) {
      linear.reserve(workspace, tokens);
      held[1] = workspace.keep(tokens, linear.out());
      held[2] = workspace.keep(tokens, linear.in());
    }

    @Override
    public Tensor forward(Tensor x, Pass pass) {
      held[0] = x;
      Tensor y = held[1].first(pass.tokens());
      linear.forward(x, null, y);
      return y;
    }

    @Override
    public Tensor backward(Tensor dy, Pass pass) {
      Tensor dx = held[2].first(pass.tokens());
      addedToOnes(backend, dx, () -> linear.backward(held[0], dy, true, dx));
      return dx;
    }

    @Override
    public void describe(LayerSummary.Sink sink) {
      linear.describe(sink);
    }
  }

  /** A norm as a layer, its dx added to ones likewise. */
  private record NormLayer(Backend backend, Norm norm, Tensor[] held) implements Layer {
    NormLayer(Backend backend, Norm norm) {
      this(backend, norm, new Tensor[1]);
    }

    @Override
    public void parameters(Consumer<Parameter> sink) {
      norm.parameters(sink);
    }

    @Override
    public void reserve(Workspace workspace, int tokens) {
      norm.reserve(workspace, tokens);
      held[0] = workspace.keep(tokens, WIDTH);
    }

    @Override
    public Tensor forward(Tensor x, Pass pass) {
      return norm.forward(x);
    }

    @Override
    public Tensor backward(Tensor dy, Pass pass) {
      Tensor dx = held[0].first(pass.tokens());
      addedToOnes(backend, dx, () -> norm.backward(dy, true, dx));
      return dx;
    }

    @Override
    public void describe(LayerSummary.Sink sink) {
      norm.describe(sink);
    }
  }

  private static void addedToOnes(Backend backend, Tensor dx, Runnable accumulating) {
    backend.elementwise().fill(dx, 1);
    accumulating.run();
    Tensor ones = backend.allocate(dx.rows(), dx.columns());
    backend.elementwise().fill(ones, 1);
    backend.elementwise().axpy(-1, ones, dx);
  }
}
