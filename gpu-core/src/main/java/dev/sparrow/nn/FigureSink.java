package dev.sparrow.nn;

/** Takes named figures of a step; several layers may give the same name, which is then averaged. */
@FunctionalInterface
public interface FigureSink {
  void figure(String name, double value);
}
