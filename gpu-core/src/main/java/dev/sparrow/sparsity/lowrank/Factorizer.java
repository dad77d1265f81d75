package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.Cuttlefish;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.sparsity.ModelChange.Replacement;
import java.util.ArrayList;
import java.util.List;

/**
 * Makes the switch from whole matrices to factors. Rank 0 decomposes, chooses ranks and learning
 * rates, asks the gate and carries; the others are told the choices and given the rest.
 */
final class Factorizer {
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
  }

  /** Called by every rank. Layer by layer, so that none waits for rank 0 longer than one takes. */
  ModelChange factorize(List<? extends FactorizableWeight> weights, Collective collective) {
    List<Replacement> replacements = new ArrayList<>();
    for (FactorizableWeight weight : weights) {
      Choice own = collective.rank() == 0 ? choice(weight) : Choice.WHOLE;
      double[] told =
          RankZero.doubles(collective, () -> new double[] {own.rank(), own.learningRateFactor()});
      int rank = (int) told[0];
      if (rank > 0) {
        FactorCarry carry = collective.rank() == 0 ? own.carry() : FactorCarry.empty(weight, rank);
        replacements.add(replacement(weight, rank, (float) told[1], carry, collective));
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

  /**
   * One rank for all matrices of a stack: that of the one that needs most; and one learning rate:
   * the mean.
   */
  private Choice choice(FactorizableWeight weight) {
    float[] values = new float[Math.toIntExact(weight.matrix().size())];
    backend.downloadSync(weight.matrix().value(), values, 0);
    List<Factorization> factorizations = new ArrayList<>();
    List<Spectrum> spectra = new ArrayList<>();
    for (int e = 0; e < weight.matrices(); e++) {
      Factorization one = new Factorization(values, e, weight.out(), weight.in());
      factorizations.add(one);
      spectra.add(one.spectrum(weight.spec().standardDeviation()));
    }
    int rank = spectra.stream().mapToInt(rule::rank).max().orElseThrow();
    if (!gate.passes(weight, rank)) {
      return Choice.WHOLE;
    }
    float[] u = new float[weight.matrices() * weight.out() * rank];
    float[] v = new float[weight.matrices() * rank * weight.in()];
    for (int e = 0; e < weight.matrices(); e++) {
      factorizations.get(e).write(rank, e, u, v);
    }
    double factor =
        spectra.stream().mapToDouble(s -> s.learningRateFactor(rank)).average().orElseThrow();
    return new Choice(
        rank, matchesRates ? factor : 1, FactorCarry.of(weight, rank, u, v, settings.momentum()));
  }
}
