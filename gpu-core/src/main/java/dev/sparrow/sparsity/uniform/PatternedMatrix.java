package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The numbers of a matrix, or of stacked ones, that is zero off a pattern, and the pattern itself:
 * a parameter that holds the non-zeros, or all of it, and buffers that say where they lie.
 */
interface PatternedMatrix {
  /**
   * The start of the non-zeros: as much variance in a row's output as that of a dense row (Evci et
   * al. 2020, appendix).
   */
  static Initializer start(LinearSpec spec, UniformPattern pattern) {
    double lift = Math.sqrt((double) pattern.columns() / pattern.fanIn());
    return Initializer.normal(spec.standardDeviation() * lift);
  }

  UniformPattern pattern();

  /** What the optimizer updates. */
  Parameter parameter();

  /** Whether the non-zeros are all that is held. */
  boolean isSparse();

  /**
   * Takes another pattern. Where its sizes stay, so do the parameter, whose values are the caller's
   * to set, and the buffers: who saves them may hold on to them.
   */
  void replace(UniformPattern next);

  /**
   * Takes the pattern that the buffers hold since they were loaded.
   *
   * @throws IllegalArgumentException where they hold none of the format
   */
  void readBuffers();

  /** Names what files hold beside the parameter. */
  void buffers(Consumer<Buffer> sink);

  /**
   * Makes zero what lies off the pattern.
   *
   * @param numbers like the parameter's: its gradient, itself or optimizer state
   */
  void mask(Tensor numbers);

  /** Gives back the pattern's memory. */
  void release();

  /** In words, for inspection. */
  String kind();
}
