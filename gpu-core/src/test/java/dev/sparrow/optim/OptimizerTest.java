package dev.sparrow.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.config.OptimizerSettings.Kind;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.Supplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole optimizers over an arena, against PyTorch's formulas element by element in double. */
class OptimizerTest {
  enum On {
    // fp32: a few roundings a step of weights near 1.
    CPU(() -> new CpuBackend(1), 4e-6),
    // The host transfers of gradients round to fp32, on both sides alike.
    REFERENCE(ReferenceBackend::new, 1e-7);

    final Supplier<Backend> open;
    final double tolerance;

    On(Supplier<Backend> open, double tolerance) {
      this.open = open;
      this.tolerance = tolerance;
    }
  }

  private static final int STEPS = 6;
  private static final double SCALE = 0.25;

  private static OptimizerSettings settings(Kind kind, boolean nesterov) {
    return new OptimizerSettings(kind, 1, 0.9, 0.95, 1e-8, 0.1, 0.8, nesterov, 0);
  }

  private static List<Parameter> parameters() {
    Parameter slow = Parameter.matrix("b", Initializer.normal(1), 7);
    slow.trainAt(0.5f);
    Parameter fast = Parameter.matrix("d", Initializer.normal(1), 2, 2);
    fast.trainAt(3);
    return List.of(
        Parameter.matrix("a", Initializer.normal(1), 3, 5),
        slow,
        Parameter.vector("c", Initializer.ONES, 9),
        fast);
  }

  /** One element's update in double, by {@code factor} times the rate. */
  private interface Element {
    double next(
        double weight, double gradient, double decay, long update, double rate, double factor);
  }

  private static final class AdamElement implements Element {
    private double m;
    private double v;

    @Override
    public double next(
        double weight, double g, double decay, long update, double rate, double factor) {
      m = 0.9 * m + (1 - 0.9) * g;
      v = 0.95 * v + (1 - 0.95) * g * g;
      double mHat = m / (1 - Math.pow(0.9, update));
      double vHat = v / (1 - Math.pow(0.95, update));
      return weight * (1 - rate * decay) - factor * rate * mHat / (Math.sqrt(vHat) + 1e-8);
    }
  }

  private static final class SgdElement implements Element {
    private final boolean nesterov;
    private double momentum;

    SgdElement(boolean nesterov) {
      this.nesterov = nesterov;
    }

    @Override
    public double next(
        double weight, double gradient, double decay, long update, double rate, double factor) {
      double g = gradient + decay * weight;
      momentum = 0.8 * momentum + g;
      return weight - factor * rate * (nesterov ? g + 0.8 * momentum : momentum);
    }
  }

  @ParameterizedTest
  @EnumSource(On.class)
  void adamWDecaysOnlyMatrices(On on) {
    check(on, settings(Kind.ADAMW, false), AdamElement::new);
  }

  @ParameterizedTest
  @EnumSource(On.class)
  void sgdWithMomentum(On on) {
    check(on, settings(Kind.SGD, false), () -> new SgdElement(false));
  }

  @ParameterizedTest
  @EnumSource(On.class)
  void sgdWithNesterovMomentum(On on) {
    check(on, settings(Kind.SGD, true), () -> new SgdElement(true));
  }

  @ParameterizedTest
  @ValueSource(floats = {0, -1, Float.NaN, Float.POSITIVE_INFINITY})
  void factorsOfTheRateThatAreNoneAreRefused(float factor) {
    Parameter parameter = Parameter.vector("c", Initializer.ONES, 9);
    Exception wrong = assertThrows(IllegalArgumentException.class, () -> parameter.trainAt(factor));
    assertEquals(
        "c: expected a finite factor of the learning rate > 0, got " + factor, wrong.getMessage());
  }

  private static void check(On on, OptimizerSettings settings, Supplier<Element> element) {
    try (Backend backend = on.open.get();
        ParameterArena arena = new ParameterArena(backend, parameters());
        Optimizer optimizer = Optimizer.of(settings, backend, arena)) {
      arena.initialize(3);
      int size = (int) arena.size();
      double[] expected = doubles(backend, arena, size);
      Element[] elements = new Element[size];
      for (int i = 0; i < size; i++) {
        elements[i] = element.get();
      }
      Random random = new Random(11);
      for (long update = 1; update <= STEPS; update++) {
        float[] gradient = new float[size];
        double rate = 0.01 * update;
        for (int i = 0; i < size; i++) {
          Optional<Parameter> owner = owner(arena, i);
          gradient[i] = owner.isPresent() ? (float) random.nextGaussian() : 0;
          double decay = owner.isPresent() && owner.get().decay() ? 0.1 : 0;
          double factor = owner.map(Parameter::learningRateFactor).orElse(1f);
          expected[i] =
              elements[i].next(expected[i], SCALE * gradient[i], decay, update, rate, factor);
        }
        backend.upload(gradient, 0, arena.gradients());
        optimizer.step(update, rate, SCALE);
      }
      double[] got = doubles(backend, arena, size);
      for (int i = 0; i < size; i++) {
        assertEquals(
            expected[i], got[i], on.tolerance * (1 + Math.abs(expected[i])), "weight " + i);
      }
    }
  }

  /** The parameter that the element belongs to, or none between two of them. */
  private static Optional<Parameter> owner(ParameterArena arena, int element) {
    return arena.parameters().stream()
        .filter(p -> arena.start(p) <= element && element < arena.start(p) + p.size())
        .findFirst();
  }

  private static double[] doubles(Backend backend, ParameterArena arena, int size) {
    float[] host = new float[size];
    backend.downloadSync(arena.values(), host, 0);
    double[] values = new double[size];
    for (int i = 0; i < size; i++) {
      values[i] = host[i];
    }
    return values;
  }
}
