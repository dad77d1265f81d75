package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** L = Σ x³ with gradient 3x². */
class FiniteDifferencesTest {
  private final ReferenceBackend backend = new ReferenceBackend();
  private final Tensor x = backend.tensor(new double[] {1, -2, 3}, 3);

  private double cubes() {
    double sum = 0;
    for (double value : backend.download(x)) {
      sum += value * value * value;
    }
    return sum;
  }

  private FiniteDifferences claim(double... gradient) {
    return new FiniteDifferences(this::cubes).gradient("x", x, backend.tensor(gradient, 3));
  }

  @Test
  void theRightGradientPassesAndLeavesTheValuesAlone() {
    claim(3, 12, 27).check();
    assertEquals(20, cubes());
  }

  @Test
  void aWrongElementIsNamedWithBothValues() {
    AssertionError error = assertThrows(AssertionError.class, claim(3, 12.001, 27.01)::check);
    assertTrue(error.getMessage().contains("x: 2 of 3 elements"), error.getMessage());
    assertTrue(error.getMessage().contains("at 2 of [3]: analytic 27.01"), error.getMessage());
    assertTrue(error.getMessage().contains("numeric 27.000"), error.getMessage());
  }

  @Test
  void notANumberFails() {
    assertThrows(AssertionError.class, claim(3, Double.NaN, 27)::check);
  }

  @Test
  void samplesCoverDistinctElements() {
    Tensor many = backend.allocate(100);
    Tensor ones = backend.allocate(100);
    backend.elementwise().fill(ones, 1);
    int[] calls = {0};
    new FiniteDifferences(
            () -> {
              calls[0]++;
              return FiniteDifferences.dot(many, ones);
            })
        .gradient("many", many, ones)
        .samples(10, 7)
        .check();
    assertEquals(20, calls[0]);
  }
}
