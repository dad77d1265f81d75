package dev.sparrow;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.engine.TestSource;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;

/**
 * Counts what a JUnit run did, class by class, and tells each failure when it happens. A skipped
 * test counts apart from those that passed, with its reason.
 */
final class OutcomeTable implements TestExecutionListener {
  /** One class, nested ones apart. */
  private static final class Counts {
    private int passed;
    private int failed;
    private int skipped;
    private long nanos;
  }

  private final PrintStream out;
  private final Map<String, Counts> classes = new LinkedHashMap<>();
  private final Map<String, Long> starts = new LinkedHashMap<>();
  private final Set<String> reasons = new LinkedHashSet<>();

  /**
   * @param out where failures are told
   */
  OutcomeTable(PrintStream out) {
    this.out = out;
  }

  @Override
  public void executionStarted(TestIdentifier test) {
    starts.put(test.getUniqueId(), System.nanoTime());
  }

  @Override
  public void executionSkipped(TestIdentifier test, String reason) {
    counts(test).skipped++;
    reasons.add(reason);
  }

  /** Of a container only failures count: its tests are told one by one. */
  @Override
  public void executionFinished(TestIdentifier test, TestExecutionResult result) {
    if (!test.isTest() && result.getStatus() == Status.SUCCESSFUL) {
      return;
    }
    Counts counts = counts(test);
    counts.nanos += test.isTest() ? System.nanoTime() - starts.get(test.getUniqueId()) : 0;
    String cause = result.getThrowable().map(Throwable::getMessage).orElse("");
    switch (result.getStatus()) {
      case SUCCESSFUL -> counts.passed++;
      case ABORTED -> {
        counts.skipped++;
        reasons.add(cause.replaceFirst("^Assumption failed: ", ""));
      }
      case FAILED -> {
        counts.failed++;
        out.println("FAILED " + className(test) + ", " + test.getDisplayName());
        result.getThrowable().ifPresent(thrown -> thrown.printStackTrace(out));
      }
    }
  }

  private Counts counts(TestIdentifier test) {
    return classes.computeIfAbsent(className(test), name -> new Counts());
  }

  private static String className(TestIdentifier test) {
    TestSource source = test.getSource().orElse(null);
    String name = test.getDisplayName();
    if (source instanceof MethodSource method) {
      name = method.getClassName();
    } else if (source instanceof ClassSource whole) {
      name = whole.getClassName();
    }
    return name.substring(name.lastIndexOf('.') + 1).replace('$', '.');
  }

  int passed() {
    return classes.values().stream().mapToInt(counts -> counts.passed).sum();
  }

  int failed() {
    return classes.values().stream().mapToInt(counts -> counts.failed).sum();
  }

  private int skipped() {
    return classes.values().stream().mapToInt(counts -> counts.skipped).sum();
  }

  /** A line a class and one for all, behind the reasons of what was skipped. */
  List<String> lines() {
    List<String> lines = new ArrayList<>();
    reasons.forEach(reason -> lines.add("skipped: " + reason));
    lines.add(line("class", "passed", "failed", "skipped", "seconds"));
    classes.forEach(
        (name, counts) ->
            lines.add(
                line(name, counts.passed, counts.failed, counts.skipped, seconds(counts.nanos))));
    long nanos = classes.values().stream().mapToLong(counts -> counts.nanos).sum();
    lines.add(line("all", passed(), failed(), skipped(), seconds(nanos)));
    return lines;
  }

  private static String line(
      String name, Object passed, Object failed, Object skipped, Object seconds) {
    return String.format(
        Locale.ROOT, "%-40s %8s %8s %8s %9s", name, passed, failed, skipped, seconds);
  }

  private static String seconds(long nanos) {
    return String.format(Locale.ROOT, "%.1f", nanos * 1e-9);
  }
}
