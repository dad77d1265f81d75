package dev.sparrow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** What runs on a GPU host without Maven, and what is said of it. */
class GpuTestRunTest {
  @Test
  void testsThatOpenAGpuAreFoundAndOthersAreNot() throws Exception {
    Path tests =
        Path.of(GpuTestRun.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    List<String> found = GpuTestClasses.in(tests);
    assertTrue(
        found.containsAll(
            List.of(
                "dev.sparrow.backend.CudaBackendTest",
                "dev.sparrow.backend.cuda.DeviceLayerGpuTest",
                "dev.sparrow.bench.GpuBenchTest",
                "dev.sparrow.train.CudaTrainTest")),
        found::toString);
    assertFalse(found.contains("dev.sparrow.train.TrainerTest"), found::toString);
    assertFalse(found.contains("dev.sparrow.backend.cuda.EmulatedDriver"), found::toString);
  }

  /** Ends in three ways; not a test of its own. */
  static final class Sample {
    @Test
    void passes() {}

    @Test
    void fails() {
      throw new AssertionError("expected 1, got 2");
    }

    @Test
    void isSkipped() {
      Assumptions.abort("no second GPU");
    }
  }

  @Test
  void theTableCountsEachOutcomeAndTellsCauses() {
    ByteArrayOutputStream told = new ByteArrayOutputStream();
    OutcomeTable table = new OutcomeTable(new PrintStream(told));
    LauncherFactory.create()
        .execute(
            LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectClass(Sample.class))
                .build(),
            table);
    assertEquals(1, table.passed());
    assertEquals(1, table.failed());
    List<String> lines = table.lines();
    assertEquals("skipped: no second GPU", lines.get(0));
    assertTrue(lines.get(2).matches("GpuTestRunTest\\.Sample +1 +1 +1 +[0-9.]+"), lines::toString);
    assertTrue(lines.get(3).matches("all +1 +1 +1 +[0-9.]+"), lines::toString);
    assertTrue(told.toString().contains("expected 1, got 2"), told::toString);
  }
}
