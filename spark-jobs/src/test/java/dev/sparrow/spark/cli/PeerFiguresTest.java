package dev.sparrow.spark.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PeerFiguresTest {
  @TempDir private Path directory;

  @Test
  void theBetterOfRepeatedCasesCounts() throws IOException {
    Path file =
        Files.writeString(
            directory.resolve("peer.txt"),
            """
            gpt-small    parameters     818176  step     64.27 ms  tokens/s      11950
            moe-uniform  parameters    4194304  step    324.40 ms  tokens/s      12626
            gpt-small    parameters     818176  step    140.00 ms  tokens/s       5486
            moe-uniform  parameters    4194304  step    126.49 ms  tokens/s      32383
            """);
    PeerFigures figures = PeerFigures.read(file);
    assertEquals(Map.of("gpt-small", 11950.0), figures.tokensPerSecond());
    assertEquals(Map.of("e8-top1", 126.49), figures.moeMillis());
  }

  @Test
  void aFileWithoutFiguresIsRefused() throws IOException {
    Path file = Files.writeString(directory.resolve("peer.txt"), "nothing here\n");
    assertThrows(IllegalArgumentException.class, () -> PeerFigures.read(file));
  }
}
