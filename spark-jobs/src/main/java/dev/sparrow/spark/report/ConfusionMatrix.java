package dev.sparrow.spark.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * How often a classifier took each class for each.
 *
 * @param classes their names
 * @param counts (classes, classes), the true class by row and the predicted one by column
 */
public record ConfusionMatrix(List<String> classes, List<List<Long>> counts) {
  /** More do not fit a terminal's line. */
  private static final int MOST_COLUMNS = 20;

  private static final int MOST_LETTERS = 12;

  /** One class taken for another. */
  private record Mistake(int label, int predicted, long count) {}

  public ConfusionMatrix {
    classes = List.copyOf(classes);
    counts = counts.stream().map(List::copyOf).toList();
  }

  /** The sum of two over the same classes. */
  public ConfusionMatrix plus(ConfusionMatrix other) {
    List<List<Long>> sums =
        indices()
            .mapToObj(
                i ->
                    indices()
                        .mapToObj(j -> counts.get(i).get(j) + other.counts.get(i).get(j))
                        .toList())
            .toList();
    return new ConfusionMatrix(classes, sums);
  }

  private IntStream indices() {
    return IntStream.range(0, classes.size());
  }

  /** Share of samples whose class was told. */
  public double accuracy() {
    double right = indices().mapToLong(i -> counts.get(i).get(i)).sum();
    return right / counts.stream().flatMap(List::stream).mapToLong(Long::longValue).sum();
  }

  /** As text: all of it, or of many classes the commonest mistakes. */
  public String table() {
    return classes.size() <= MOST_COLUMNS ? wholeTable() : mistakes();
  }

  private String wholeTable() {
    List<String> names = classes.stream().map(ConfusionMatrix::shortened).toList();
    int width = 1 + names.stream().mapToInt(String::length).max().orElse(0);
    width = Math.max(width, 1 + String.valueOf(largest()).length());
    StringBuilder text = new StringBuilder(padded("true\\predicted", MOST_LETTERS + 2));
    for (String name : names) {
      text.append(format("%" + width + "s", name));
    }
    for (int i = 0; i < names.size(); i++) {
      text.append('\n').append(padded(names.get(i), MOST_LETTERS + 2));
      for (long count : counts.get(i)) {
        text.append(format("%" + width + "d", count));
      }
    }
    return text.toString();
  }

  private long largest() {
    return counts.stream().flatMap(List::stream).mapToLong(Long::longValue).max().orElse(0);
  }

  private static String shortened(String name) {
    return name.length() <= MOST_LETTERS ? name : name.substring(0, MOST_LETTERS);
  }

  private static String padded(String name, int width) {
    return format("%-" + width + "s", name);
  }

  private String mistakes() {
    List<Mistake> all = new ArrayList<>();
    indices()
        .forEach(i -> indices().forEach(j -> all.add(new Mistake(i, j, counts.get(i).get(j)))));
    List<String> lines =
        all.stream()
            .filter(mistake -> mistake.label() != mistake.predicted() && mistake.count() > 0)
            .sorted(Comparator.comparingLong(Mistake::count).reversed())
            .limit(MOST_COLUMNS)
            .map(
                mistake ->
                    format(
                        "%,8d  %s taken for %s",
                        mistake.count(),
                        classes.get(mistake.label()),
                        classes.get(mistake.predicted())))
            .toList();
    return String.join("\n", lines);
  }

  private static String format(String pattern, Object... arguments) {
    return String.format(Locale.ROOT, pattern, arguments);
  }
}
