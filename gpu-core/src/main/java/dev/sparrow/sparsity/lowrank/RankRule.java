package dev.sparrow.sparsity.lowrank;

import dev.sparrow.config.Cuttlefish;

/** Chooses a rank by the singular values of a trained matrix. */
@FunctionalInterface
interface RankRule {
  /** Of the signal's singular values, all added up, how much a rank must hold. */
  double SIGNAL_SHARE = 0.95;

  /** Of all singular values (Wang et al. 2023, §3.4, for transformers). */
  double TRANSFORMER_SHARE = 0.8;

  /** Ranks in multiples of this keep rows of factors on 16 bytes, as tensor cores ask for. */
  int MULTIPLE = 8;

  /**
   * Of ‖W‖², how much a rank must hold: where noise still makes up most of a matrix, much is yet to
   * be learnt, and needs room.
   */
  double ENERGY_SHARE = 0.95;

  /** Of the matrix's numbers, how many factors may hold for that. */
  double ROOM = 0.5;

  /** Of the stable rank at the start: a matrix above it has learnt nothing that tells its rank. */
  double UNLEARNT = 0.9;

  /** From 1 to the lesser side. */
  int rank(Spectrum spectrum);

  /**
   * The rule that the settings name.
   *
   * @param transformer whether the model is one
   */
  static RankRule of(Cuttlefish settings, boolean transformer) {
    return switch (settings.rule()) {
      case AUTO -> RankRule::signal;
      case PAPER -> transformer ? RankRule::paperTransformer : RankRule::paper;
      case FIXED, PUFFERFISH -> spectrum -> ratio(settings.ratio(), full(spectrum));
    };
  }

  /**
   * What stands out of the noise and most of ‖W‖², in multiples of {@link #MULTIPLE}; of a matrix
   * that still is noise full rank.
   */
  static int signal(Spectrum spectrum) {
    if (spectrum.scaledStableRank() > UNLEARNT * full(spectrum)) {
      return full(spectrum);
    }
    int signal = spectrum.withoutNoise().accumulativeRank(SIGNAL_SHARE);
    int out = spectrum.out();
    int in = spectrum.in();
    int room = Math.min(spectrum.energyRank(ENERGY_SHARE), (int) (ROOM * out * in / (out + in)));
    int wanted = Math.max(signal, room);
    int rounded = Math.max(1, (wanted + MULTIPLE - 1) / MULTIPLE) * MULTIPLE;
    return Math.min(full(spectrum), rounded);
  }

  static int paper(Spectrum spectrum) {
    int scaled = (int) Math.ceil(spectrum.scaledStableRank());
    return Math.max(1, Math.min(full(spectrum), scaled));
  }

  static int paperTransformer(Spectrum spectrum) {
    return Math.max(paper(spectrum), spectrum.accumulativeRank(TRANSFORMER_SHARE));
  }

  /** A share of full rank. */
  static int ratio(double share, int full) {
    return Math.max(1, Math.min(full, (int) Math.round(share * full)));
  }

  private static int full(Spectrum spectrum) {
    return spectrum.values().length;
  }
}
