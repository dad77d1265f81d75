package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.PatternLayout;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.checkpoint.LocalFileStore;
import dev.sparrow.checkpoint.ModelExport;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.checkpoint.SafeTensorsReader;
import dev.sparrow.checkpoint.SafeTensorsWriter;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.model.Models;
import dev.sparrow.tensor.DType;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the sparse layers of trained models take in an exported file. */
class ExportSizeTest {
  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({"uniform, 64", "bank, 64", "bank, 32", "group, 64", "doubly, 64"})
  void sparseLayersTakeTheirShareOfTheDenseBytes(String format, int bankColumns)
      throws IOException {
    for (double sparsity : new double[] {0.5, 0.75, 0.9, 0.95}) {
      String[] settings = {
        "model.width=64",
        "model.layers=1",
        "train.steps=2",
        "method.name=uniform",
        "uniform.schedule=static",
        "uniform.format=" + format,
        "uniform.bank-columns=" + bankColumns,
        "uniform.sparsity=" + sparsity
      };
      ModelExport.Exported exported = export(settings);
      Path file = directory.resolve("model.safetensors");
      try (OutputStream out = Files.newOutputStream(file)) {
        SafeTensorsWriter.write(out, exported.metadata(), exported.tensors());
      }
      assertEquals(4, exported.sparse().size());
      for (ModelExport.SparseWeight layer : exported.sparse()) {
        double zeros = layer.pattern().sparsity();
        assertEquals(sparsity, zeros, 0.025, layer.name());
        long bytes = bytesOf(layer.name(), file);
        double bound = (1 - zeros) * 2.1 * layer.denseBytes();
        assertTrue(bytes <= bound, () -> layer.name() + ": " + bytes + " bytes, bound " + bound);
        assertEquals(bytes, layer.bytes(), layer.name());
      }
    }
  }

  /** Of a run of its own. */
  private ModelExport.Exported export(String... settings) throws IOException {
    Path checkpoints = Files.createTempDirectory(directory, "run");
    new ToyRun(settings).checkpoints(checkpoints).alone();
    ModelFile saved =
        new CheckpointStore(new LocalFileStore(), checkpoints.toString(), 1)
            .latest()
            .orElseThrow()
            .model();
    Map<String, PatternLayout> layouts =
        Models.patternLayouts(ConfigParser.parse("", "toy", List.of(settings)), ToyRun.VOCABULARY);
    return new ModelExport(ModelExport.Form.SPARSE, DType.BF16).of(saved.tensors(), layouts);
  }

  private static long bytesOf(String weight, Path file) throws IOException {
    try (SafeTensorsReader reader =
        new SafeTensorsReader(Files.newInputStream(file), Files.size(file), "file")) {
      return reader.tensors().values().stream()
          .filter(info -> info.name().startsWith(weight))
          .mapToLong(info -> info.end() - info.start())
          .sum();
    }
  }
}
