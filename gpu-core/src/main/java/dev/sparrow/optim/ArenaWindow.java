package dev.sparrow.optim;

import dev.sparrow.nn.ParameterArena;
import dev.sparrow.tensor.Tensor;
import java.util.List;

/** One decay segment's views of weights and gradients, made once so that a step makes none. */
record ArenaWindow(long start, int length, boolean decay, Tensor value, Tensor gradient) {
  static List<ArenaWindow> of(ParameterArena arena) {
    return arena.decaySegments().stream().map(segment -> of(arena, segment)).toList();
  }

  private static ArenaWindow of(ParameterArena arena, ParameterArena.Segment segment) {
    return new ArenaWindow(
        segment.start(),
        segment.length(),
        segment.decay(),
        arena.values().window(segment.start(), segment.length()),
        arena.gradients().window(segment.start(), segment.length()));
  }

  /** The same elements of a state tensor. */
  Tensor of(Tensor state) {
    return state.window(start, length);
  }
}
