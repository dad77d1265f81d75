package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.checkpoint.CheckpointException;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ResumeTest {
  private static final String[] SETTINGS = {"train.steps=12", "checkpoint.every=3"};
  private static final int HALTED = 86;

  @TempDir Path directory;

  private ToyRun run() {
    return new ToyRun(SETTINGS).checkpoints(directory);
  }

  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private static MetricsSink killAt(long step) {
    return row -> {
      if (row.step() == step) {
        throw new Killed();
      }
    };
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 8, 11})
  void aKilledRunEndsWithTheBitsOfAnUndisturbedOne(int step) {
    float[] undisturbed = new ToyRun(SETTINGS).alone().weights();
    assertThrows(Killed.class, () -> run().sink(killAt(step)).alone());
    ToyRun.Result resumed = run().alone();
    assertArrayEquals(undisturbed, resumed.weights());
    assertEquals((step - 1) / 3 * 3 + 1, resumed.rows().get(0).step());
  }

  @Test
  void aHaltedJvmLeavesWhatARunContinuesFrom() throws Exception {
    Process child = new ProcessBuilder(childCommand()).redirectErrorStream(true).start();
    String output = new String(child.getInputStream().readAllBytes());
    assertTrue(child.waitFor(60, TimeUnit.SECONDS));
    assertEquals(HALTED, child.exitValue(), output);
    float[] undisturbed = new ToyRun(SETTINGS).alone().weights();
    ToyRun.Result resumed = run().alone();
    assertTrue(resumed.rows().get(0).step() > 1, "continued at " + resumed.rows().get(0).step());
    assertArrayEquals(undisturbed, resumed.weights());
  }

  private List<String> childCommand() {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
    for (String flag : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
      if (flag.startsWith("--add-")) {
        command.add(flag);
      }
    }
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    command.addAll(List.of("-cp", classPath, ResumeTest.class.getName(), directory.toString()));
    return command;
  }

  /** The child: trains, and halts its JVM the moment after step 7's checkpoint may have begun. */
  public static void main(String[] args) {
    new ToyRun(SETTINGS)
        .checkpoints(Path.of(args[0]))
        .sink(
            row -> {
              if (row.step() == 7) {
                Runtime.getRuntime().halt(HALTED);
              }
            })
        .alone();
  }

  @Test
  void anotherNumberOfRanksContinuesTheSameOrder() throws Exception {
    ToyRun.Result undisturbed = new ToyRun(SETTINGS).alone();
    assertThrows(Killed.class, () -> run().sink(killAt(8)).alone());
    List<ToyRun.Result> two = run().ranks(2);
    assertEquals(7, two.get(0).rows().get(0).step());
    for (int step = 6; step < 12; step++) {
      List<Integer> together = new ArrayList<>();
      int from = (step - 6) * 4;
      two.forEach(rank -> together.addAll(rank.samples().subList(from, from + 4)));
      List<Integer> expected = undisturbed.samples().subList(step * 8, step * 8 + 8);
      assertEquals(new HashSet<>(expected), new HashSet<>(together), "step " + (step + 1));
      assertEquals(undisturbed.losses().get(step), two.get(0).losses().get(step - 6), 1e-3);
    }
    assertArrayEquals(two.get(0).weights(), two.get(1).weights());
  }

  @Test
  void aFinishedRunResumesToItsOwnEnd() {
    ToyRun.Result first = run().alone();
    ToyRun.Result again = run().alone();
    assertArrayEquals(first.weights(), again.weights());
    assertEquals(first.summary().validationLoss(), again.summary().validationLoss());
    assertTrue(again.rows().isEmpty());
  }

  @Test
  void aCorruptedCheckpointIsPassedOver() throws IOException {
    float[] undisturbed = new ToyRun(SETTINGS).alone().weights();
    assertThrows(Killed.class, () -> run().sink(killAt(8)).alone());
    Path model = directory.resolve("step-00000006/model.safetensors");
    byte[] bytes = Files.readAllBytes(model);
    bytes[bytes.length - 1] ^= 1;
    Files.write(model, bytes);
    ToyRun.Result resumed = run().alone();
    assertEquals(4, resumed.rows().get(0).step());
    assertArrayEquals(undisturbed, resumed.weights());
  }

  @Test
  void anotherModelOrOrderIsRefused() {
    run().alone();
    for (String change : List.of("model.width=32", "train.seed=2", "train.batch=4")) {
      ToyRun other = new ToyRun("train.steps=12", change).checkpoints(directory);
      CheckpointException error = assertThrows(CheckpointException.class, other::alone, change);
      assertTrue(error.getMessage().contains("expected"), error.getMessage());
    }
  }

  @Test
  void aStoppedRunContinues() {
    float[] undisturbed = new ToyRun(SETTINGS).alone().weights();
    ToyRun.Result stopped = run().hook((step, arena, backend) -> step == 5).alone();
    assertEquals(5, stopped.summary().steps());
    assertArrayEquals(undisturbed, run().alone().weights());
  }
}
