package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.Cuttlefish;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.sparsity.ModelChange.Carry;
import dev.sparrow.sparsity.ModelChange.Replacement;
import java.util.ArrayList;
import java.util.List;

/**
 * Makes the switch from whole matrices to factors. Rank 0 decomposes, chooses ranks, asks the gate
 * and carries; the others are told the ranks and given the rest.
 */
final class Factorizer {
  private final Backend backend;
  private final Cuttlefish settings;
  private final RankRule rule;
  private final FactorGate gate;

  Factorizer(Backend backend, Cuttlefish settings, RankRule rule, FactorGate gate) {
    this.backend = backend;
    this.settings = settings;
    this.rule = rule;
    this.gate = gate;
  }

  /** Of one layer; rank 0: stays whole. */
  private record Choice(int rank, Carry carry) {
    static final Choice WHOLE = new Choice(0, null);
  }

  /** Called by every rank. Layer by layer, so that none waits for rank 0 longer than one takes. */
  ModelChange factorize(List<? extends FactorizableWeight> weights, Collective collective) {
    List<Replacement> replacements = new ArrayList<>();
    for (FactorizableWeight weight : weights) {
      Choice own = collective.rank() == 0 ? choice(weight) : Choice.WHOLE;
      int rank = (int) RankZero.doubles(collective, () -> new double[] {own.rank()})[0];
      if (rank > 0) {
        Carry carry = collective.rank() == 0 ? own.carry() : FactorCarry.empty(weight, rank);
        replacements.add(weight.factorize(rank, carry));
      }
    }
    return new ModelChange(replacements, true);
  }

  /** One rank for all matrices of a stack: that of the one that needs most. */
  private Choice choice(FactorizableWeight weight) {
    float[] values = new float[Math.toIntExact(weight.matrix().size())];
    backend.downloadSync(weight.matrix().value(), values, 0);
    List<Factorization> factorizations = new ArrayList<>();
    int rank = 0;
    for (int e = 0; e < weight.matrices(); e++) {
      Factorization one = new Factorization(values, e, weight.out(), weight.in());
      rank = Math.max(rank, rule.rank(one.spectrum(weight.spec().standardDeviation())));
      factorizations.add(one);
    }
    if (!gate.passes(weight, rank)) {
      return Choice.WHOLE;
    }
    float[] u = new float[weight.matrices() * weight.out() * rank];
    float[] v = new float[weight.matrices() * rank * weight.in()];
    for (int e = 0; e < weight.matrices(); e++) {
      factorizations.get(e).write(rank, e, u, v);
    }
    return new Choice(rank, FactorCarry.of(weight, rank, u, v, settings.momentum()));
  }
}
