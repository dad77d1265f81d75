package dev.sparrow.sparsity.lowrank;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Singular values, factors, stable ranks and the ranks chosen by them. */
class SpectrumTest {
  private static Spectrum of(float[] w, int out, int in, double deviation) {
    return new Factorization(w, 0, out, in).spectrum(deviation);
  }

  @ParameterizedTest
  @CsvSource({"12, 12", "20, 7", "7, 20", "1, 5", "5, 1"})
  void allFactorsTogetherGiveTheMatrixBack(int out, int in) {
    int full = Math.min(out, in);
    float[] w = Matrices.normal(3 * out * in, 0.5, 9);
    float[] u = new float[3 * out * full];
    float[] v = new float[3 * full * in];
    for (int e = 0; e < 3; e++) {
      new Factorization(w, e, out, in).write(full, e, u, v);
    }
    for (int e = 0; e < 3; e++) {
      float[] product =
          Matrices.product(
              Arrays.copyOfRange(u, e * out * full, (e + 1) * out * full),
              Arrays.copyOfRange(v, e * full * in, (e + 1) * full * in),
              out,
              full,
              in);
      assertArrayEquals(Arrays.copyOfRange(w, e * out * in, (e + 1) * out * in), product, 1e-5f);
    }
  }

  /** Eckart and Young: the error is what the left-out singular values make; both sides share √σ. */
  @ParameterizedTest
  @CsvSource({"16, 24", "24, 16"})
  void factorsAreTheBestOfTheirRankAndBalanced(int out, int in) {
    float[] w = Matrices.normal(out * in, 1, 4);
    double[] values = of(w, out, in, 1).values();
    float[] u = new float[out * 5];
    float[] v = new float[5 * in];
    new Factorization(w, 0, out, in).write(5, 0, u, v);
    float[] product = Matrices.product(u, v, out, 5, in);
    double error = 0;
    for (int i = 0; i < w.length; i++) {
      error += Math.pow(w[i] - product[i], 2);
    }
    double left = Arrays.stream(values).skip(5).map(s -> s * s).sum();
    assertEquals(left, error, 1e-4 * left);
    for (int k = 0; k < 5; k++) {
      double squaresU = 0;
      double squaresV = 0;
      for (int i = 0; i < out; i++) {
        squaresU += u[i * 5 + k] * u[i * 5 + k];
      }
      for (int j = 0; j < in; j++) {
        squaresV += v[k * in + j] * v[k * in + j];
      }
      assertEquals(values[k], squaresU, 1e-4);
      assertEquals(values[k], squaresV, 1e-4);
    }
  }

  @Test
  void aMatrixOfLowerRankHasZeroFactorsBeyondIt() {
    float[] w = Matrices.planted(10, 14, 3, 2, 0, 6);
    float[] u = new float[10 * 8];
    float[] v = new float[8 * 14];
    new Factorization(w, 0, 10, 14).write(8, 0, u, v);
    assertArrayEquals(w, Matrices.product(u, v, 10, 8, 14), 1e-5f);
    for (float value : u) {
      assertTrue(Float.isFinite(value));
    }
    new Factorization(new float[140], 0, 10, 14).write(8, 0, u, v);
    assertArrayEquals(new float[8 * 14], v);
  }

  @Test
  void ranksOfASpectrumFollowTheirDefinitions() {
    Spectrum spectrum = new Spectrum(new double[] {4, 2, 2, 0}, 4, 9, 0);
    assertEquals(24.0 / 16, spectrum.stableRank());
    double xi = Math.pow(1 + 2.0 / 3, 2);
    assertEquals(xi, Spectrum.initialScale(4, 9), 1e-15);
    assertEquals(xi, Spectrum.initialScale(9, 4), 1e-15);
    assertEquals(4, Spectrum.initialScale(5, 5));
    assertEquals(xi * 1.5, spectrum.scaledStableRank(), 1e-12);
    assertEquals(1, spectrum.accumulativeRank(0.5));
    assertEquals(2, spectrum.accumulativeRank(0.6));
    assertEquals(3, spectrum.accumulativeRank(1));
    assertEquals(1, spectrum.energyRank(0.65));
    assertEquals(2, spectrum.energyRank(0.7));
    assertEquals(4 / xi, Spectrum.initialStableRank(4, 9), 1e-12);
    assertEquals(0, new Spectrum(new double[2], 2, 2, 0).stableRank());
    assertEquals(4, RankRule.paper(spectrum));
    assertEquals(3, RankRule.paper(new Spectrum(new double[] {4, 0.1, 0.1, 0}, 4, 9, 0)));
    assertEquals(4, RankRule.ratio(0.25, 16));
    assertEquals(1, RankRule.ratio(0.01, 16));
  }

  /** What ξ is for: at the start it makes full rank of the stable rank. */
  @ParameterizedTest
  @CsvSource({"256, 256", "128, 384", "384, 96"})
  void theScaledStableRankOfAnInitialMatrixIsFullRank(int out, int in) {
    Spectrum spectrum = of(Matrices.normal(out * in, 0.02, 12), out, in, 0.02);
    int full = Math.min(out, in);
    assertEquals(full, spectrum.scaledStableRank(), 0.06 * full);
    double edge = 0.02 * (Math.sqrt(out) + Math.sqrt(in));
    assertEquals(edge, spectrum.values()[0], 0.03 * edge);
    assertEquals(edge, spectrum.noiseEdge(), 0.05 * edge);
    // Decayed noise, of which the settings know nothing.
    assertEquals(
        edge, of(Matrices.normal(out * in, 0.02, 12), out, in, 1).noiseEdge(), 0.05 * edge);
  }

  /** Signal well above the noise of the start, or of what decay has left of it: 0.95 of ‖W‖². */
  @ParameterizedTest
  @CsvSource({
    "96, 96, 16, 0.05, 0.05",
    "192, 64, 8, 0.04, 0.05",
    "64, 192, 8, 0.005, 0.05",
    "128, 256, 32, 0, 0.02"
  })
  void aPlantedRankIsRecovered(int out, int in, int k, double noise, double initial) {
    for (long seed = 1; seed <= 5; seed++) {
      float[] w = Matrices.planted(out, in, k, 8, noise, seed);
      assertEquals(k, RankRule.signal(of(w, out, in, initial)), "seed " + seed);
    }
  }

  /** Noise of more than a twentieth of ‖W‖² asks for room, but is not taken for signal. */
  @Test
  void theSignalOfAPlantedRankIsToldInMoreNoise() {
    for (long seed = 1; seed <= 5; seed++) {
      Spectrum spectrum = of(Matrices.planted(192, 64, 8, 8, 0.05, seed), 192, 64, 0.05);
      int rank = spectrum.withoutNoise().accumulativeRank(RankRule.SIGNAL_SHARE);
      assertEquals(8, rank, "seed " + seed);
    }
  }

  @Test
  void aMatrixThatHasLearntNothingKeepsFullRank() {
    Spectrum noise = of(Matrices.normal(256 * 256, 0.02, 3), 256, 256, 0.02);
    assertEquals(256, RankRule.signal(noise));
  }

  /** Three planted values amid noise: as much of it as makes 0.95 of ‖W‖², to a quarter. */
  @ParameterizedTest
  @ValueSource(doubles = {0.004, 0.02, 0.05})
  void whereNoiseIsMuchOfAMatrixItKeepsRoom(double noise) {
    float[] w = Matrices.normal(128 * 128, noise, 3);
    float[] signal = Matrices.planted(128, 128, 3, 2, 0, 4);
    for (int i = 0; i < w.length; i++) {
      w[i] += signal[i];
    }
    Spectrum spectrum = of(w, 128, 128, noise);
    assertEquals(3, spectrum.withoutNoise().accumulativeRank(0.95));
    double all = Arrays.stream(spectrum.values()).map(s -> s * s).sum();
    double kept = 0;
    int rank = 0;
    while (rank < 32 && kept < 0.95 * all) {
      kept += Math.pow(spectrum.values()[rank++], 2);
    }
    int multiple = Math.max(8, (rank + 7) / 8 * 8);
    assertEquals(multiple, RankRule.signal(spectrum));
  }

  /** Signs at random in both factors move their product by as much as signs in the matrix would. */
  @ParameterizedTest
  @CsvSource({"96, 160, 32", "160, 96, 24"})
  void atTheirFactorFactorsMoveTheirProductAsTheMatrixWouldMove(int out, int in, int rank) {
    float[] w = Matrices.normal(out * in, 0.15, 5);
    Factorization factorization = new Factorization(w, 0, out, in);
    float[] u = new float[out * rank];
    float[] v = new float[rank * in];
    factorization.write(rank, 0, u, v);
    double factor = factorization.spectrum(0.15).learningRateFactor(rank);
    float[] byU = Matrices.product(signs(out * rank, 6), v, out, rank, in);
    float[] byV = Matrices.product(u, signs(rank * in, 7), out, rank, in);
    double squares = 0;
    for (int i = 0; i < w.length; i++) {
      squares += Math.pow(factor * (byU[i] + byV[i]), 2);
    }
    assertEquals(1, Math.sqrt(squares / w.length), 0.05, "factor " + factor);
    assertEquals(4, new Spectrum(new double[rank], out, in, 0).learningRateFactor(rank));
  }

  private static float[] signs(int count, long seed) {
    float[] values = Matrices.normal(count, 1, seed);
    for (int i = 0; i < count; i++) {
      values[i] = Math.signum(values[i]);
    }
    return values;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void stableRanksAreMeasuredOnTheDevice(boolean gpu) {
    try (Backend backend = gpu ? TestGpu.open() : new CpuBackend(1)) {
      StableRank stableRank = new StableRank(backend);
      float[][] cases = {
        Matrices.normal(48 * 32, 0.1, 1),
        Matrices.planted(32, 48, 4, 3, 0.02, 2),
        Matrices.planted(48, 32, 3, 1, 0, 5),
        new float[48 * 32],
        Matrices.normal(400 * 300, 0.1, 6)
      };
      int[] outs = {48, 32, 48, 48, 400};
      for (int i = 0; i < cases.length; i++) {
        int out = outs[i];
        int in = cases[i].length / out;
        double exact = of(cases[i], out, in, 0).stableRank();
        double measured = stableRank.measureSync(weight(backend, cases[i], out, in));
        assertEquals(exact, measured, 0.005 * exact, "case " + i);
      }
      float[] narrow = Matrices.normal(15, 1, 4);
      double exact = of(narrow, 3, 5, 0).stableRank();
      assertEquals(exact, stableRank.measureSync(weight(backend, narrow, 3, 5)), 0.005 * exact);
    }
  }

  private static Parameter weight(Backend backend, float[] values, int... dims) {
    Parameter weight = Parameter.matrix("w", Initializer.ZEROS, dims);
    ParameterArena arena = new ParameterArena(backend, List.of(weight));
    backend.upload(values, 0, weight.value());
    arena.publish();
    return weight;
  }

  @Test
  void ofExpertsTheMeanIsMeasured() {
    try (Backend backend = new CpuBackend(1)) {
      float[] stack = Matrices.normal(3 * 20 * 12, 0.1, 8);
      Parameter weight = weight(backend, stack, 3, 20, 12);
      double sum = 0;
      for (int e = 0; e < 3; e++) {
        sum += new Factorization(stack, e, 20, 12).spectrum(0).stableRank();
      }
      assertEquals(sum / 3, new StableRank(backend).measureSync(weight), 0.01);
    }
  }
}
