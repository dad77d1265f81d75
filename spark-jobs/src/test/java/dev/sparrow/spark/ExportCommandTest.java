package dev.sparrow.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.spark.job.TinyRun;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sparrow export} as a user meets it. */
class ExportCommandTest {
  private static final Map<String, String> SPARK =
      Map.of(
          "spark.master", "local[2]",
          "spark.driver.host", "localhost",
          "spark.driver.bindAddress", "127.0.0.1");

  @TempDir private static Path shared;
  private static Path run;

  @TempDir Path directory;

  @BeforeAll
  static void trainOnce() throws IOException {
    LocalSpark.stop();
    SPARK.forEach(System::setProperty);
    run = shared.resolve("run");
    List<String> train = new ArrayList<>(List.of("train"));
    train.addAll(
        TinyRun.assignments(
            TinyRun.corpus(shared),
            run,
            "method.name=uniform",
            "uniform.schedule=static",
            "uniform.sparsity=0.75",
            "uniform.products=sparse",
            "train.steps=5"));
    CommandRun.of(train).succeeded();
  }

  @AfterAll
  static void clear() {
    SPARK.keySet().forEach(System::clearProperty);
  }

  private CommandRun export(String name, String... more) {
    List<String> arguments =
        new ArrayList<>(List.of("export", run.toString(), directory.resolve(name).toString()));
    arguments.addAll(List.of(more));
    return CommandRun.of(arguments);
  }

  /** 8 of 32 columns in each of 96 rows: values of two bytes, columns of one. */
  @Test
  void aTableTellsEveryLayersBytes() throws IOException {
    String out = export("small.safetensors").succeeded().out();
    String layer =
        String.format(
            Locale.ROOT,
            "%-40s %6.2f%% %7d %,15d %,15d %7.3f",
            "blocks.0.attention.qkv.weight",
            75.0,
            8,
            96 * 32 * 2,
            96 * 8 * 3,
            0.375);
    assertTrue(out.contains(layer), out);
    long size = Files.size(directory.resolve("small.safetensors"));
    assertTrue(out.contains(String.format(Locale.ROOT, "%,d bytes", size)), out);
    assertEquals(
        1, out.lines().filter(l -> l.startsWith("total ")).count(), "one line of totals: " + out);
    String whole = export("whole.safetensors", "--format", "DENSE", "--dtype", "f32").out();
    assertTrue(whole.contains(String.format(Locale.ROOT, "%,15d %7.3f", 96 * 32 * 4, 2.0)), whole);
  }

  @Test
  void theSmallFileIsEvaluatedLikeTheRun() {
    String file = directory.resolve("exact.safetensors").toString();
    export("exact.safetensors", "--dtype", "f32").succeeded();
    assertEquals(
        CommandRun.of(List.of("evaluate", run.toString())).succeeded().out(),
        CommandRun.of(List.of("evaluate", file)).succeeded().out());
    assertEquals(
        CommandRun.of(List.of("inspect", run.toString())).succeeded().out(),
        CommandRun.of(List.of("inspect", file)).succeeded().out());
    String prompt = "generate.prompt=sparse dense ";
    assertEquals(
        CommandRun.of(List.of("generate", run.toString(), prompt)).succeeded().out(),
        CommandRun.of(List.of("generate", file, prompt)).succeeded().out());
  }

  @Test
  void aFileIsNotWrittenOverUnlessAskedTo() throws IOException {
    Path file = directory.resolve("model.safetensors");
    export("model.safetensors").succeeded();
    byte[] first = Files.readAllBytes(file);
    export("model.safetensors", "--format=dense")
        .failedWith("export: expected a new file", file.toString(), "--overwrite");
    assertArrayEquals(first, Files.readAllBytes(file));
    export("model.safetensors", "--format=dense", "--overwrite").succeeded();
    assertFalse(java.util.Arrays.equals(first, Files.readAllBytes(file)));
    try (Stream<Path> left = Files.list(directory)) {
      assertEquals(
          List.of(), left.filter(p -> p.toString().endsWith(".tmp")).toList(), "temporary files");
    }
  }

  @Test
  void badArgumentsAreNamed() {
    export("model.bin").failedWith("*.safetensors", "model.bin");
    export("model.safetensors", "--format", "zip").failedWith("--format", "zip");
    export("model.safetensors", "--dtype", "i32").failedWith("--dtype", "i32");
    CommandRun.of(List.of("export", directory.toString(), directory + "/x.safetensors"))
        .failedWith(directory.toString(), "expected the directory of a finished run");
    CommandRun.of(List.of("evaluate", directory + "/absent.safetensors"))
        .failedWith("absent.safetensors", "expected a file that sparrow export wrote, found none");
    assertFalse(Files.exists(directory.resolve("model.safetensors")));
  }

  @Test
  void aFileOfAnotherMakerIsToldFromAnExport() throws IOException {
    Path file = directory.resolve("other.safetensors");
    ByteBuffer empty = ByteBuffer.allocate(10).order(ByteOrder.LITTLE_ENDIAN).putLong(2);
    Files.write(file, empty.put("{}".getBytes(StandardCharsets.US_ASCII)).array());
    CommandRun.of(List.of("generate", file.toString()))
        .failedWith("other.safetensors", "sparrow.config");
  }

  /** The first layer's first two columns are made the same. */
  @Test
  void repeatedColumnsAreRefusedWithLayerAndValues() throws IOException {
    Path file = directory.resolve("broken.safetensors");
    export("broken.safetensors").succeeded();
    byte[] bytes = Files.readAllBytes(file);
    int headerBytes = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    String header = new String(bytes, 8, headerBytes, StandardCharsets.UTF_8);
    String name = "blocks.0.attention.qkv.weight.columns\":{\"dtype\":\"U8\"";
    String offsets = "\"data_offsets\":[";
    int at = header.indexOf(offsets, header.indexOf(name)) + offsets.length();
    int start = 8 + headerBytes + Integer.parseInt(header.substring(at, header.indexOf(',', at)));
    bytes[start + 1] = bytes[start];
    Files.write(file, bytes);
    Files.delete(directory.resolve(".broken.safetensors.crc"));
    CommandRun.of(List.of("generate", file.toString()))
        .failedWith(
            "blocks.0.attention.qkv.weight",
            "expected ascending columns of row 0",
            "got " + bytes[start] + " after " + bytes[start]);
  }
}
