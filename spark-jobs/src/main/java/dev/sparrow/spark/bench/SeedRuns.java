package dev.sparrow.spark.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;

/**
 * A long benchmark's training runs: every case with every seed, all cases of a seed before those of
 * the next. Finished runs are kept in a log, so that a second call makes those that are missing.
 *
 * @param <C> cases
 * @param <R> finished runs
 */
final class SeedRuns<C extends SeedRuns.Case, R extends SeedRuns.Run> {
  /** What is trained, whatever the seed. */
  interface Case {
    /** Tells it apart from the other cases. */
    String name();

    /** Equal for cases that take about as long. */
    default String pace() {
      return "";
    }
  }

  /** A finished run, a line of the log. */
  interface Run {
    /** The case's. */
    String name();

    long seed();

    /** Digest of all settings and of the data: a run of others is not this one. */
    String settings();

    /** Of the run, for an estimate of how long others will take. */
    double seconds();
  }

  /** A case with a seed. */
  record Cell<C>(C which, long seed) {}

  /** How runs are made. */
  interface Work<C, R> {
    /** {@link Run#settings} of the run to make. */
    String settings(Cell<C> cell);

    /** Seconds that a run will take, from a short one. */
    double trial(C which);

    /**
     * @param settings to keep with it
     */
    R run(Cell<C> cell, String settings);

    /** What a run came to. */
    String words(C which, R run);
  }

  private final Map<Cell<C>, R> runs = new LinkedHashMap<>();

  SeedRuns(List<C> cases, int seeds) {
    for (long seed = 1; seed <= seeds; seed++) {
      for (C which : cases) {
        runs.put(new Cell<>(which, seed), null);
      }
    }
  }

  /** In the order in which they are run. */
  List<Cell<C>> cells() {
    return List.copyOf(runs.keySet());
  }

  /**
   * Takes what the log has of these runs and makes the others.
   *
   * @param told how long it will take, and each run as it ends
   */
  void finish(RunLog<R> log, Work<C, R> work, Consumer<String> told) {
    List<Cell<C>> open = take(log.runs(), work);
    if (open.isEmpty()) {
      return;
    }
    TimeLeft left = new TimeLeft();
    for (Cell<C> cell : open) {
      left.toDo(cell.which().pace(), () -> work.trial(cell.which()));
    }
    told.accept("%d runs to do: about %s".formatted(open.size(), left));
    for (Cell<C> cell : open) {
      R run = work.run(cell, work.settings(cell));
      log.add(run);
      add(cell, run);
      left.done(cell.which().pace(), run.seconds());
      told.accept(line(run, work.words(cell.which(), run), left));
    }
  }

  private String line(R run, String words, TimeLeft left) {
    int width =
        runs.keySet().stream().mapToInt(cell -> cell.which().name().length()).max().orElseThrow();
    return String.format(
        Locale.ROOT,
        "%-" + width + "s  seed %d  %s  %.0f s  %s left",
        run.name(),
        run.seed(),
        words,
        run.seconds(),
        left);
  }

  /** Takes those of finished runs that belong here, and tells what is missing. */
  List<Cell<C>> take(List<R> finished, Work<C, R> work) {
    List<Cell<C>> open = new ArrayList<>();
    for (Map.Entry<Cell<C>, R> entry : runs.entrySet()) {
      Cell<C> cell = entry.getKey();
      String settings = work.settings(cell);
      Optional<R> run =
          finished.stream()
              .filter(any -> any.name().equals(cell.which().name()))
              .filter(any -> any.seed() == cell.seed() && any.settings().equals(settings))
              .findFirst();
      run.ifPresentOrElse(entry::setValue, () -> open.add(cell));
    }
    return open;
  }

  void add(Cell<C> cell, R run) {
    runs.put(cell, run);
  }

  /** Finished runs of a case by seeds; none where there is no such case. */
  List<R> of(C which) {
    return runs.entrySet().stream()
        .filter(entry -> entry.getKey().which().equals(which))
        .map(Map.Entry::getValue)
        .filter(Objects::nonNull)
        .toList();
  }

  /** Over the seeds of a case; null where it has no run. */
  SeedMean mean(C which, ToDoubleFunction<R> figure) {
    double[] values = of(which).stream().mapToDouble(figure).toArray();
    return values.length == 0 ? null : SeedMean.of(values);
  }
}
