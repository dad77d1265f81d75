package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.Cuttlefish;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.sparsity.ModelChange.Replacement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Makes the switch from whole matrices to factors. Rank 0 decomposes, chooses ranks and learning
 * rates, asks the gate and carries; the others are told the choices and given the rest.
 */
final class Factorizer {
  /** Layers decomposed at a time: enough for the threads of a rank, few enough to be held. */
  private static final int AT_A_TIME = 8;

  private final Backend backend;
  private final Cuttlefish settings;
  private final RankRule rule;
  private final FactorGate gate;
  private final boolean matchesRates;

  /**
   * @param matchesRates whether factors are to learn as fast as their matrix did
   */
  Factorizer(
      Backend backend, Cuttlefish settings, RankRule rule, FactorGate gate, boolean matchesRates) {
    this.backend = backend;
    this.settings = settings;
    this.rule = rule;
    this.gate = gate;
    this.matchesRates = matchesRates;
  }

  /** Of one layer; rank 0: stays whole. */
  private record Choice(int rank, double learningRateFactor, FactorCarry carry) {
    static final Choice WHOLE = new Choice(0, 1, null);

    double[] numbers() {
      return new double[] {rank, learningRateFactor};
    }
  }

  /** Called by every rank. Some layers at a time, so that none waits for rank 0 for long. */
  ModelChange factorize(List<? extends FactorizableWeight> weights, Collective collective) {
    List<Replacement> replacements = new ArrayList<>();
    for (int from = 0; from < weights.size(); from += AT_A_TIME) {
      var some = weights.subList(from, Math.min(weights.size(), from + AT_A_TIME));
      List<Choice> own = collective.rank() == 0 ? choices(some) : List.of();
      for (int i = 0; i < some.size(); i++) {
        Choice choice = own.isEmpty() ? Choice.WHOLE : own.get(i);
        double[] told = RankZero.doubles(collective, choice::numbers);
        int rank = (int) told[0];
        if (rank > 0) {
          FactorizableWeight weight = some.get(i);
          FactorCarry carry = own.isEmpty() ? FactorCarry.empty(weight, rank) : choice.carry();
          replacements.add(replacement(weight, rank, (float) told[1], carry, collective));
        }
      }
    }
    return new ModelChange(replacements, true);
  }

  private static Replacement replacement(
      FactorizableWeight weight, int rank, float rate, FactorCarry carry, Collective collective) {
    if (!weight.normalizes()) {
      return weight.factorize(rank, rate, carry);
    }
    double[] told = RankZero.doubles(collective, () -> weight.innerStatistics(carry).toDoubles());
    return weight.factorize(rank, rate, carry, InnerStatistics.ofDoubles(told));
  }

  private List<Choice> choices(List<? extends FactorizableWeight> weights) {
    List<Decomposed> all = weights.stream().map(Decomposed::new).toList();
    forEachMatrix(all, Decomposed::decompose);
    all.forEach(Decomposed::chooseRank); // on this thread: what is timed needs all of them
    forEachMatrix(all, Decomposed::writeFactors);
    return all.stream().map(Decomposed::choice).toList();
  }

  private interface OnMatrix {
    void run(Decomposed layer, int matrix);
  }

  /** On all of the rank's threads: LAPACK uses one for each matrix. */
  private void forEachMatrix(List<Decomposed> layers, OnMatrix work) {
    List<Runnable> tasks = new ArrayList<>();
    for (Decomposed layer : layers) {
      for (int e = 0; e < layer.weight.matrices(); e++) {
        int matrix = e;
        tasks.add(() -> work.run(layer, matrix));
      }
    }
    backend.hostLoop().forEach(tasks.size(), i -> tasks.get(i).run());
  }

  /**
   * A layer on the way to its choice: one rank for all matrices of a stack, that of the one that
   * needs most; and one learning rate, the mean.
   */
  private final class Decomposed {
    private final FactorizableWeight weight;
    private final float[] values;
    private final Factorization[] factorizations; // of each matrix
    private final Spectrum[] spectra;
    private int rank; // 0: stays whole
    private float[] u;
    private float[] v;

    Decomposed(FactorizableWeight weight) {
      this.weight = weight;
      this.values = new float[Math.toIntExact(weight.matrix().size())];
      this.factorizations = new Factorization[weight.matrices()];
      this.spectra = new Spectrum[weight.matrices()];
      backend.downloadSync(weight.matrix().value(), values, 0);
    }

    void decompose(int e) {
      factorizations[e] = new Factorization(values, e, weight.out(), weight.in());
      spectra[e] = factorizations[e].spectrum(weight.spec().standardDeviation());
    }

    void chooseRank() {
      int wanted = Arrays.stream(spectra).mapToInt(rule::rank).max().orElseThrow();
      rank = gate.passes(weight, wanted) ? wanted : 0;
      u = new float[weight.matrices() * weight.out() * rank];
      v = new float[weight.matrices() * rank * weight.in()];
    }

    void writeFactors(int e) {
      if (rank > 0) {
        factorizations[e].write(rank, e, u, v);
      }
    }

    Choice choice() {
      if (rank == 0) {
        return Choice.WHOLE;
      }
      double factor =
          Arrays.stream(spectra)
              .mapToDouble(s -> s.learningRateFactor(rank))
              .average()
              .orElseThrow();
      FactorCarry carry = FactorCarry.of(weight, rank, u, v, settings.momentum());
      return new Choice(rank, matchesRates ? factor : 1, carry);
    }
  }
}
