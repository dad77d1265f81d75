package dev.sparrow;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cuda.TestGpu;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs the tests that need a GPU without Maven, on a host that may have nothing but its driver, and
 * prints a table of them. Exit code 0: all that ran passed; 1: some failed; 2: no GPU, nothing ran,
 * or no such class.
 */
final class GpuTestRun {
  private static final int FAILED = 1;
  private static final int NOTHING_RAN = 2;

  private GpuTestRun() {}

  /**
   * @param names simple names of test classes, {@code Outer.Nested} of one that is nested in one of
   *     them; all of them without any
   */
  public static void main(String[] names) throws URISyntaxException {
    List<String> classes = GpuTestClasses.in(folder());
    for (String name : names) {
      if (classes.stream().noneMatch(known -> isChosen(known, name))) {
        System.err.println("GPU tests: expected some of " + simpleNames(classes) + ", got " + name);
        System.exit(NOTHING_RAN);
      }
    }
    try (Backend backend = TestGpu.openOrExit("GPU tests")) {
      System.out.println(backend.description());
    }
    OutcomeTable table =
        run(
            names.length == 0
                ? classes
                : Stream.of(names).map(name -> binaryName(classes, name)).toList());
    table.lines().forEach(System.out::println);
    System.exit(table.failed() > 0 ? FAILED : table.passed() == 0 ? NOTHING_RAN : 0);
  }

  private static Path folder() throws URISyntaxException {
    return Path.of(GpuTestRun.class.getProtectionDomain().getCodeSource().getLocation().toURI());
  }

  /** Whether a name is that of a class or of one nested in it. */
  private static boolean isChosen(String className, String name) {
    return className.endsWith("." + name.replaceFirst("\\..*", ""));
  }

  private static String binaryName(List<String> classes, String name) {
    String outer =
        classes.stream().filter(known -> isChosen(known, name)).findFirst().orElseThrow();
    int dot = name.indexOf('.');
    return dot < 0 ? outer : outer + name.substring(dot).replace('.', '$');
  }

  private static List<String> simpleNames(List<String> classes) {
    return classes.stream().map(name -> name.substring(name.lastIndexOf('.') + 1)).toList();
  }

  private static OutcomeTable run(List<String> classes) {
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(classes.stream().map(DiscoverySelectors::selectClass).toList())
            .build();
    OutcomeTable table = new OutcomeTable(System.out);
    LauncherFactory.create().execute(request, table);
    return table;
  }
}
