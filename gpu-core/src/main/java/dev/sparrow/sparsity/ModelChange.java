package dev.sparrow.sparsity;

import dev.sparrow.nn.Parameter;
import dev.sparrow.tensor.Tensor;
import java.util.List;
import java.util.function.Consumer;

/**
 * What a method does to a model between two steps: parameters that give way to others, with their
 * weights and optimizer state carried over. The same on every rank.
 *
 * @param ofRankZero whether rank 0 alone computes what is carried, and the others, whose machines
 *     may round otherwise, are given it; what they carry is void
 */
public record ModelChange(List<Replacement> replacements, boolean ofRankZero) {
  /** The model stays as it is. */
  public static final ModelChange NONE = new ModelChange(List.of());

  public ModelChange {
    replacements = List.copyOf(replacements);
  }

  /** One that every rank carries by itself, to the same bits. */
  public ModelChange(List<Replacement> replacements) {
    this(replacements, false);
  }

  /** What the numbers of a parameter are. */
  public enum Values {
    WEIGHTS,
    /** A running mean of gradients, or their sum. */
    MOMENT,
    /** A running mean of squared gradients. */
    SQUARED_MOMENT
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
     * @param values of the parameter before
     * @param kind its weights, or one optimizer state
     * @return of each parameter after
     */
    List<float[]> carry(float[] values, Values kind);
  }

  /**
   * @param before as the model had it
   * @param after as the model has it now, in its place; {@code before} itself where its shape stays
   * @param carry null where numbers change in place
   * @param inPlace changes the numbers of a parameter that stays, or as many of optimizer state,
   *     where they are; null where they are carried
   */
  public record Replacement(
      Parameter before, List<Parameter> after, Carry carry, Consumer<Tensor> inPlace) {
    public Replacement {
      after = List.copyOf(after);
    }

    public Replacement(Parameter before, List<Parameter> after, Carry carry) {
      this(before, after, carry, null);
    }

    public static Replacement inPlace(Parameter parameter, Consumer<Tensor> change) {
      return new Replacement(parameter, List.of(parameter), null, change);
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
