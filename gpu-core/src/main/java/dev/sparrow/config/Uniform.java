package dev.sparrow.config;

import java.util.List;

/**
 * Uniformly sparse weights. Keys {@code uniform.*}; conf/reference.conf tells each one's meaning,
 * unit and range.
 */
public record Uniform(
    Schedule schedule,
    double sparsity,
    Distribution distribution,
    Format format,
    int groupRows,
    int bankColumns,
    List<String> layers,
    List<String> except,
    int beginStep,
    int endStep,
    int updateEvery,
    double dropFraction,
    double ablation,
    Products products) {
  /** How the pattern comes about. */
  public enum Schedule {
    /** Drawn at the start and kept. */
    STATIC,
    /** From dense, by magnitude, along a cubic curve (Zhu and Gupta 2017). */
    GRADUAL,
    /** Drop by magnitude, grow by gradient (Evci et al. 2020; Lasby et al. 2024). */
    RIGL,
    /** Drop by magnitude, grow at random (Mocanu et al. 2018). */
    SET
  }

  /** How the sparsity is shared out among layers. */
  public enum Distribution {
    /** The same in each. */
    UNIFORM,
    /** Erdős-Rényi-Kernel: large layers are sparser (Evci et al. 2020, §3). */
    ERK
  }

  /** Where non-zeros may lie. */
  public enum Format {
    UNIFORM,
    BANK,
    GROUP,
    DOUBLY,
    /** Anywhere in the matrix, without a fan-in that rows share. */
    UNSTRUCTURED
  }

  /** How a layer multiplies. */
  public enum Products {
    /** As was faster when it was timed. */
    TIMED,
    /** By its non-zeros alone. */
    SPARSE,
    /** As a whole matrix that is zero off the pattern. */
    DENSE
  }

  /** Whether connections are dropped and others grown. */
  boolean growsBack() {
    return schedule == Schedule.RIGL || schedule == Schedule.SET;
  }

  /** Last step that may change a pattern. */
  public long lastUpdate(long steps) {
    return endStep > 0 ? endStep : steps * 3 / 4;
  }
}
