package dev.sparrow.sparsity.lowrank;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;

/**
 * Tells when the stable ranks of all layers have settled: when the line of least squares through a
 * layer's last few measurements is flat. A noise of σ in ρ moves the slope of a line through ten by
 * 0.11·σ a measurement, through five by 0.32·σ.
 */
final class StableRankDetector {
  static final int RELATIVE_WINDOW = 5;

  /** The paper's epochs are fewer than the measurements of a run otherwise. */
  static final int ABSOLUTE_WINDOW = 10;

  private final int window;
  private final boolean eachForItself;
  private final ToDoubleFunction<String> allowed; // by the layer's name, slope per unit
  private final Map<String, Series> series = new TreeMap<>();

  /** What is known of one layer. */
  private static final class Series {
    private boolean settled;
    private final List<Double> last = new ArrayList<>();

    void add(double rank, int most) {
      last.add(rank);
      while (last.size() > most) { // more than one where another rule's series was restored
        last.remove(0);
      }
    }

    double newest() {
      return last.get(last.size() - 1);
    }
  }

  private StableRankDetector(int window, boolean eachForItself, ToDoubleFunction<String> allowed) {
    this.window = window;
    this.eachForItself = eachForItself;
    this.allowed = allowed;
  }

  /**
   * One layer after the other settles, each when its slope is at most this share of the stable rank
   * that it started with, and stays so: layers of all sizes are held to one measure, and noise in
   * many layers does not put off the end.
   *
   * @param initial stable rank at the start, by the layer's name
   */
  static StableRankDetector relative(double tolerance, ToDoubleFunction<String> initial) {
    return new StableRankDetector(
        RELATIVE_WINDOW, true, layer -> tolerance * initial.applyAsDouble(layer));
  }

  /** As in the paper: all slopes are at most so many ranks, after one and the same measurement. */
  static StableRankDetector absolute(double tolerance) {
    return new StableRankDetector(ABSOLUTE_WINDOW, false, layer -> tolerance);
  }

  /**
   * Takes a measurement of every layer.
   *
   * @param ranks by the layer's name
   * @param span from one measurement to the next, in the unit that slopes are per
   */
  void add(Map<String, Double> ranks, double span) {
    ranks.forEach(
        (layer, rank) -> {
          Series one = series.computeIfAbsent(layer, name -> new Series());
          one.add(rank, window);
          boolean flat = isFlat(one, allowed.applyAsDouble(layer) * span);
          one.settled = flat || eachForItself && one.settled;
        });
  }

  private boolean isFlat(Series one, double most) {
    return one.last.size() == window && Math.abs(slope(one.last)) <= most;
  }

  /** Of the line of least squares, a measurement apart. */
  static double slope(List<Double> values) {
    double middle = (values.size() - 1) / 2.0;
    double products = 0;
    double squares = 0;
    for (int i = 0; i < values.size(); i++) {
      products += (i - middle) * values.get(i);
      squares += (i - middle) * (i - middle);
    }
    return products / squares;
  }

  /** Whether all have; false before there is a layer. */
  boolean hasSettled() {
    return !series.isEmpty() && series.values().stream().allMatch(one -> one.settled);
  }

  /** The last measurement, by the layer's name. */
  Map<String, Double> newest() {
    Map<String, Double> newest = new TreeMap<>();
    series.forEach((layer, one) -> newest.put(layer, one.newest()));
    return newest;
  }

  /** All that {@link #restore} needs, by the layer's name. */
  Map<String, List<Double>> state() {
    Map<String, List<Double>> state = new TreeMap<>();
    series.forEach(
        (layer, one) -> {
          List<Double> numbers = new ArrayList<>(List.of(one.settled ? 1.0 : 0.0));
          numbers.addAll(one.last);
          state.put(layer, numbers);
        });
    return state;
  }

  void restore(Map<String, List<Double>> state) {
    series.clear();
    state.forEach(
        (layer, numbers) -> {
          Series one = new Series();
          one.settled = numbers.get(0) != 0;
          one.last.addAll(numbers.subList(1, numbers.size()));
          series.put(layer, one);
        });
  }
}
