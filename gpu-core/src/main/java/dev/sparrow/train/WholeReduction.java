package dev.sparrow.train;

import dev.sparrow.collective.Collective;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;

/** One all-reduce of the whole arena after backward. */
record WholeReduction(Collective collective, ParameterArena arena) implements GradientReduction {
  @Override
  public void ready(Parameter parameter) {}

  @Override
  public void await() {
    collective.allReduce(arena.gradients());
  }

  @Override
  public void close() {}
}
