package dev.sparrow.sparsity.moe;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Central differences in double with the choice of experts frozen: the inputs' k-th and (k + 1)-th
 * probabilities differ by far more than a step of the differences moves them.
 */
class MoeGradientTest {
  private static final double MARGIN = 1e-4;

  @ParameterizedTest
  @CsvSource({"4, 1, 0, false, 31", "4, 2, 1, true, 32", "6, 3, 2, true, 36", "3, 3, 1, false, 34"})
  void everyGradientThroughBothLosses(
      int experts, int topK, double normalization, boolean gated, long seed) {
    RouterSpec spec = MoeCase.spec(5, experts, topK, normalization, 0.1, 0.05);
    MoeCase values = MoeCase.random(spec, 6, 4, gated, seed);
    try (ReferenceBackend backend = new ReferenceBackend();
        MoeFixture fixture = new MoeFixture(backend, Form.GROUPED, values)) {
      Tensor dx = gradientOfInput(fixture);
      assertTrue(margin(values) > MARGIN, "seed " + seed + ": a tie too close for differences");
      FiniteDifferences differences =
          new FiniteDifferences(() -> total(fixture))
              .samples(24, seed)
              .gradient("x", fixture.x, dx);
      for (String role :
          gated ? new String[] {"gate", "up", "down"} : new String[] {"up", "down"}) {
        differences.gradient(
            role, fixture.parameter(role).value(), fixture.parameter(role).gradient());
      }
      differences
          .gradient(
              "router", fixture.parameter("router").value(), fixture.parameter("router").gradient())
          .check();
    }
  }

  private static Tensor gradientOfInput(MoeFixture fixture) {
    fixture.layer.forward(fixture.x, fixture.pass);
    return fixture.layer.backward(fixture.dout, fixture.pass);
  }

  /** The loss by the loop over tokens, from the present values of the fixture's tensors. */
  private static double total(MoeFixture fixture) {
    boolean gated = fixture.values.gated();
    return new PerTokenMoe(
            fixture.values,
            fixture.download(fixture.x),
            fixture.download(fixture.parameter("router").value()),
            gated ? fixture.download(fixture.parameter("gate").value()) : new double[0],
            fixture.download(fixture.parameter("up").value()),
            fixture.download(fixture.parameter("down").value()))
        .total();
  }

  /** Smallest distance of a chosen expert's probability to one not chosen, over all tokens. */
  private static double margin(MoeCase values) {
    return new PerTokenMoe(values).margin();
  }

  @Test
  void withJitterOfTheRouterInput() {
    RouterSpec spec = new RouterSpec("block", 5, 4, 2, 0.5, 0.2, 1, 0, 0, 0, 1);
    MoeCase values = MoeCase.random(spec, 6, 4, true, 35);
    try (ReferenceBackend backend = new ReferenceBackend();
        MoeFixture fixture = new MoeFixture(backend, Form.GROUPED, values)) {
      Tensor dx = gradientOfInput(fixture);
      new FiniteDifferences(
              () ->
                  FiniteDifferences.dot(
                      fixture.layer.forward(fixture.x, fixture.pass), fixture.dout))
          .samples(30, 35)
          .gradient("x", fixture.x, dx)
          .gradient(
              "router", fixture.parameter("router").value(), fixture.parameter("router").gradient())
          .check();
    }
  }
}
