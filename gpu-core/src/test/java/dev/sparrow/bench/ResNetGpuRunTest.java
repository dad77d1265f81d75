package dev.sparrow.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.TestGpu;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opentest4j.TestAbortedException;

/** A tiny network on random images: its figures mean nothing. */
class ResNetGpuRunTest {
  private static final int TRAIN = 10;
  private static final int TEST = 3;
  private static final int PIXELS = 32 * 32;

  /**
   * Channels of all normalisations: of the stem, and of stages with shortcuts from the second on.
   */
  private static final int CHANNELS = 8 + 2 * 8 + 3 * 16 + 3 * 32;

  @TempDir Path data;

  private static Backend open() {
    try {
      return TestGpu.open();
    } catch (TestAbortedException none) {
      return new CpuBackend(2);
    }
  }

  private void write(String name, int rows) throws IOException {
    byte[] records = new byte[rows * (1 + 3 * PIXELS)];
    new Random(rows).nextBytes(records);
    for (int row = 0; row < rows; row++) {
      records[row * (1 + 3 * PIXELS)] = (byte) (row % 10);
    }
    Files.write(data.resolve(name), records);
  }

  @Test
  void bothFormsAreTrainedAndSetSideBySide() throws IOException {
    write("train.bin", TRAIN);
    write("test.bin", TEST);
    ResNetOptions options =
        ResNetOptions.parse(
            data.toString(),
            "--epochs",
            "2",
            "--batch",
            "3",
            "--learning-rate",
            "0.01",
            "--set",
            "model.depth=8",
            "--set",
            "model.width=8",
            "--set",
            "cuttlefish.rule=pufferfish",
            "--set",
            "cuttlefish.switch-step=3");
    List<String> lines = new ArrayList<>();
    List<ResNetOutcome> outcomes;
    try (Backend backend = open()) {
      long before = backend.allocatedBytes();
      outcomes = new ResNetGpuRun(backend, options, 2, lines::add).all();
      // Of the warm-up and both runs: running statistics are a model's until the backend closes.
      long statistics = 3L * 2 * CHANNELS * Float.BYTES;
      assertEquals(before + statistics, backend.allocatedBytes(), "a run keeps memory");
    }
    assertEquals("9 images to train on, 1 held out, 3 to test on", lines.get(0));
    assertEquals(2 + 2 * 3, lines.size(), lines.toString());
    assertTrue(lines.get(6).contains("cuttlefish  epoch 2 of 2  loss "), lines.get(6));
    ResNetOutcome full = outcomes.get(0);
    ResNetOutcome low = outcomes.get(1);
    assertEquals(6, full.steps());
    assertEquals(-1, full.switchedAt());
    assertEquals(3, low.switchedAt());
    assertEquals(1, low.switchEpoch());
    assertTrue(low.parameters() < full.parameters(), low.toString());
    assertEquals(full.perEpoch().get(0).loss(), low.perEpoch().get(0).loss(), "until the switch");
    assertEquals(8, low.ranks().get("stages.2.0.conv2"), low.ranks().toString());
    for (ResNetOutcome outcome : outcomes) {
      assertTrue(outcome.wallSeconds() > 0 && outcome.epochSecondsBefore() > 0, outcome.toString());
      assertEquals(0, outcome.testAccuracy() * TEST % 1, 1e-9);
    }
    List<String> table = ResNetOutcome.table(outcomes);
    assertTrue(table.get(2).startsWith("| full | 2 | "), table.get(2));
    assertTrue(table.get(3).startsWith("| cuttlefish | 2 | "), table.get(3));
    ResNetOutcome.Ratios ratios = ResNetOutcome.ratios(outcomes).get(0);
    assertEquals((double) full.parameters() / low.parameters(), ratios.parametersRatio());
    assertEquals(3, ratios.lines().size());
  }

  @Test
  void planesOfARecordBecomePixels() throws IOException {
    write("train.bin", 3);
    byte[] records = Files.readAllBytes(data.resolve("train.bin"));
    CifarImages images = CifarImages.read(data.resolve("train.bin"));
    assertArrayEquals(new int[] {0, 1, 2}, images.labels());
    CifarImages last = images.rows(2, 3);
    assertArrayEquals(new int[] {2}, last.labels());
    int start = 2 * (1 + 3 * PIXELS) + 1;
    for (int pixel : new int[] {0, 1, 33, 1023}) {
      for (int channel = 0; channel < 3; channel++) {
        byte expected = records[start + channel * PIXELS + pixel];
        assertEquals(expected, last.pixels().get(pixel * 3 + channel));
      }
    }
    // Of even random bytes: half, and one over the root of twelve.
    assertEquals(0.5, images.moments().mean()[1], 0.02);
    assertEquals(0.2887, images.moments().deviation()[1], 0.01);
  }

  @Test
  void whatIsNotCifarIsRefused() throws IOException {
    Path file = data.resolve("train.bin");
    Files.write(file, new byte[3072]);
    String message = assertThrows(IOException.class, () -> CifarImages.read(file)).getMessage();
    assertTrue(message.endsWith("expected records of 3073 bytes, got 3072 bytes"), message);
    byte[] fine = new byte[2 * 3073];
    fine[3073] = 10;
    Files.write(file, fine);
    message = assertThrows(IOException.class, () -> CifarImages.read(file)).getMessage();
    assertTrue(message.contains("got 10 in record 1"), message);
  }
}
