package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.config.Uniform;
import dev.sparrow.nn.LinearSpec;
import java.util.Locale;

/**
 * Where a layer's non-zeros may lie: rows share their columns in groups of {@code groupRows}, and
 * each bank of {@code bankColumns} columns holds equally many of a row. The matrices of experts lie
 * one below the other in one pattern. An unstructured pattern has one row for each matrix, in which
 * the matrix's rows follow each other.
 *
 * @param layer for messages
 * @param matrices equal ones that the rows are
 * @param doubly whether the columns of each matrix, too, shall hold nearly equally many
 */
record PatternFormat(
    String layer,
    int matrices,
    int rows,
    int columns,
    int groupRows,
    int bankColumns,
    boolean doubly) {
  /** Of one matrix. */
  PatternFormat(
      String layer, int rows, int columns, int groupRows, int bankColumns, boolean doubly) {
    this(layer, 1, rows, columns, groupRows, bankColumns, doubly);
  }

  /**
   * @param spec of one matrix
   * @param matrices of a mixture's experts; 1 for a matrix of its own
   * @throws IllegalArgumentException where the layer's sizes do not fit the format
   */
  static PatternFormat of(Uniform settings, LinearSpec spec, int matrices) {
    requireFewElements(spec, matrices);
    return settings.format() == Uniform.Format.UNSTRUCTURED
        ? unstructured(spec, matrices)
        : structured(settings, spec, matrices);
  }

  private static void requireFewElements(LinearSpec spec, int matrices) {
    if ((double) matrices * spec.out() * spec.in() > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "%s: expected a matrix of at most %d elements to choose a pattern of, got %s%d by %d; leave the layer out by uniform.except"
              .formatted(
                  spec.name(),
                  Integer.MAX_VALUE,
                  matrices > 1 ? matrices + " of " : "",
                  spec.out(),
                  spec.in()));
    }
  }

  /** All rows of a matrix as one, in which non-zeros may lie anywhere. */
  private static PatternFormat unstructured(LinearSpec spec, int matrices) {
    int elements = spec.out() * spec.in();
    return new PatternFormat(spec.name(), matrices, matrices, elements, 1, elements, false);
  }

  private static PatternFormat structured(Uniform settings, LinearSpec spec, int matrices) {
    boolean group = settings.format() == Uniform.Format.GROUP;
    boolean bank = settings.format() == Uniform.Format.BANK;
    int groupRows = group ? settings.groupRows() : 1;
    int bankColumns = bank ? settings.bankColumns() : spec.in();
    if (spec.out() % groupRows != 0) {
      throw new IllegalArgumentException(
          "%s: expected rows in groups of uniform.group-rows = %d, got %d rows; name another number or leave the layer out by uniform.except"
              .formatted(spec.name(), groupRows, spec.out()));
    }
    if (spec.in() % bankColumns != 0) {
      throw new IllegalArgumentException(
          "%s: expected columns in banks of uniform.bank-columns = %d, got %d columns; name another number or leave the layer out by uniform.except"
              .formatted(spec.name(), bankColumns, spec.in()));
    }
    return new PatternFormat(
        spec.name(),
        matrices,
        matrices * spec.out(),
        spec.in(),
        groupRows,
        bankColumns,
        settings.format() == Uniform.Format.DOUBLY);
  }

  /**
   * Whether rows of the pattern are rows of the matrices, so that products can walk it; not where a
   * row is a whole matrix.
   */
  boolean hasRowsOf(LinearSpec spec) {
    return columns == spec.in();
  }

  int groups() {
    return rows / groupRows;
  }

  /** Groups of each matrix. */
  int matrixGroups() {
    return groups() / matrices;
  }

  int banks() {
    return columns / bankColumns;
  }

  /**
   * The fan-in that comes nearest to a density, in whole numbers a bank.
   *
   * @throws IllegalArgumentException where it is zero
   */
  int fanIn(double density) {
    int perBank = (int) Math.min(bankColumns, Math.round(density * bankColumns));
    if (perBank < 1) {
      throw new IllegalArgumentException(
          "%s: expected a sparsity that leaves each row a non-zero%s, got %s with %d columns; lower uniform.sparsity or leave the layer out by uniform.except"
              .formatted(
                  layer,
                  banks() > 1 ? " in each bank of " + bankColumns : "",
                  String.format(Locale.ROOT, "%.4f", 1 - density),
                  columns));
    }
    return perBank * banks();
  }

  /**
   * A pattern from a file.
   *
   * @throws IllegalArgumentException naming the layer where it is none of this format
   */
  UniformPattern saved(int fanIn, int[] liveGroups, int[] indices) {
    try {
      return pattern(fanIn, liveGroups, indices);
    } catch (IllegalArgumentException broken) {
      throw new IllegalArgumentException(layer + ".weight: saved " + broken.getMessage(), broken);
    }
  }

  /** A pattern of this format. */
  UniformPattern pattern(int fanIn, int[] liveGroups, int[] indices) {
    return new UniformPattern(rows, columns, fanIn, groupRows, bankColumns, liveGroups, indices);
  }
}
