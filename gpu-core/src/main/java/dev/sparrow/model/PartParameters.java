package dev.sparrow.model;

import dev.sparrow.nn.Parameter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;

/**
 * The parameters of one part of a model from the last to the first: the order in which those who
 * sum gradients over ranks are told of them when the part's backward pass is done.
 */
final class PartParameters {
  private final Consumer<Consumer<Parameter>> part;
  private final List<Parameter> reversed = new ArrayList<>();

  /**
   * @param part names its parameters in forward order
   */
  PartParameters(Consumer<Consumer<Parameter>> part) {
    this.part = part;
    refresh();
  }

  /** Asks the part again, whose parameters were replaced. */
  void refresh() {
    reversed.clear();
    part.accept(reversed::add);
    Collections.reverse(reversed);
  }

  void complete(Consumer<Parameter> listener) {
    for (int i = 0; i < reversed.size(); i++) { // without an iterator: called in every step
      listener.accept(reversed.get(i));
    }
  }
}
