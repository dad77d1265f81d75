package dev.sparrow.sparsity;

import dev.sparrow.nn.Parameter;
import java.util.List;

/**
 * What a method does to a model between two steps: parameters that give way to others, with their
 * weights and optimizer state carried over. The same on every rank.
 */
public record ModelChange(List<Replacement> replacements) {
  /** The model stays as it is. */
  public static final ModelChange NONE = new ModelChange(List.of());

  public ModelChange {
    replacements = List.copyOf(replacements);
  }

  public boolean isNone() {
    return replacements.isEmpty();
  }

  /**
   * Takes a parameter's numbers to those that follow it.
   *
   * @see Replacement
   */
  @FunctionalInterface
  public interface Carry {
    /**
     * @param values of the parameter before: its weights, or one optimizer state
     * @param moments whether it is optimizer state
     * @return of each parameter after
     */
    List<float[]> carry(float[] values, boolean moments);
  }

  /**
   * @param before as the model had it
   * @param after as the model has it now, in its place; {@code before} itself where its shape stays
   */
  public record Replacement(Parameter before, List<Parameter> after, Carry carry) {
    public Replacement {
      after = List.copyOf(after);
    }

    /** Whether the arena can stay. */
    public boolean keepsShape() {
      return after.size() == 1 && after.get(0) == before;
    }
  }

  /** Whether the arena can stay. */
  public boolean keepsShapes() {
    return replacements.stream().allMatch(Replacement::keepsShape);
  }
}
