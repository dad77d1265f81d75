package dev.sparrow.train;

import dev.sparrow.collective.Collective;
import dev.sparrow.nn.FigureSink;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** Figures of one step by name: the mean over all that gave the name, on all ranks. */
final class FiguresMean implements FigureSink {
  private record Sum(double value, int count) {
    static Sum add(Sum a, Sum b) {
      return new Sum(a.value + b.value, a.count + b.count);
    }
  }

  private final Map<String, Sum> sums = new TreeMap<>();

  @Override
  public void figure(String name, double value) {
    sums.merge(name, new Sum(value, 1), Sum::add);
  }

  /** Called by all ranks, which have the same names. */
  Map<String, Double> over(Collective collective) {
    double[] means = sums.values().stream().mapToDouble(s -> s.value / s.count).toArray();
    collective.allReduce(means);
    Map<String, Double> result = new LinkedHashMap<>();
    int i = 0;
    for (String name : sums.keySet()) {
      result.put(name, means[i++] / collective.size());
    }
    return result;
  }
}
