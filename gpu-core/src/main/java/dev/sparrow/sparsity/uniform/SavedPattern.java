package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.tensor.Shape;
import java.util.Map;

/**
 * What a file holds of a weight's pattern, as far as the shapes of its tensors tell.
 *
 * @param spec of the weight
 * @param format that the weight has now
 * @param saved shapes of the file's tensors by name
 */
record SavedPattern(LinearSpec spec, PatternFormat format, Map<String, Shape> saved) {
  boolean exists() {
    return holds("columns") || holds("mask");
  }

  /** Whether the non-zeros alone are saved. */
  boolean isSparse() {
    return holds("values");
  }

  private boolean holds(String part) {
    return saved.containsKey(name(part));
  }

  private String name(String part) {
    return spec.name() + ".weight." + part;
  }

  /**
   * A pattern of the saved one's sizes, to be read once the file is loaded.
   *
   * @throws IllegalArgumentException where the saved one cannot be of the format
   */
  UniformPattern standIn() {
    boolean structured = format.hasRowsOf(spec);
    requireSameStructure(structured ? "columns" : "mask");
    if (!structured) {
      return standIn(format.groups(), 1);
    }
    Shape columns = saved.get(name("columns"));
    requireFits(columns);
    return standIn(columns.dim(0), columns.dim(1));
  }

  private void requireSameStructure(String expected) {
    if (!holds(expected)) {
      throw new IllegalArgumentException(
          "%s.weight: expected a saved pattern in weight.%s, got %s one; set uniform.format as it was when it was saved"
              .formatted(
                  spec.name(),
                  expected,
                  expected.equals("columns") ? "an unstructured" : "a uniform"));
    }
  }

  private void requireFits(Shape columns) {
    boolean fits =
        columns.rank() == 2
            && columns.dim(0) <= format.groups()
            && columns.dim(1) <= format.columns()
            && columns.dim(1) % format.banks() == 0;
    if (!fits) {
      throw new IllegalArgumentException(
          "%s.weight.columns: expected a saved pattern of at most %d groups by %d columns, equally many in each of %d banks, got %s; set uniform.format, uniform.group-rows and uniform.bank-columns as they were when it was saved"
              .formatted(spec.name(), format.groups(), format.columns(), format.banks(), columns));
    }
  }

  private UniformPattern standIn(int liveGroups, int fanIn) {
    int perBank = fanIn / format.banks();
    int[] indices = new int[liveGroups * fanIn];
    for (int i = 0; i < indices.length; i++) {
      int inGroup = i % fanIn;
      indices[i] = inGroup / perBank * format.bankColumns() + inGroup % perBank;
    }
    return format.pattern(fanIn, UniformPattern.allGroups(liveGroups), indices);
  }
}
