package dev.sparrow.spark.shard;

import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.text.TokenizerSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.apache.hadoop.conf.Configuration;

/** Small inputs, and shard files read back by Arrow's own reader. */
final class ShardFixture {
  private ShardFixture() {}

  static Configuration hadoop() {
    return LocalSpark.session().sparkContext().hadoopConfiguration();
  }

  static ShardSettings bytes(Path output, int context) {
    return ShardSettings.of(
        output.toString(), context, TokenizerSpec.bytes(), SplitRule.byHash(0, 0));
  }

  /** Lines "line 000" and so on, written to one text file. */
  static Path lines(Path directory, int count) throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      lines.add(String.format("line %03d of the text", i));
    }
    return Files.write(directory.resolve("lines.txt"), lines);
  }

  /** All rows of a split in the order of the manifest. */
  static List<int[]> rows(Path shards, ShardManifest.Part part) throws IOException {
    List<int[]> rows = new ArrayList<>();
    for (ShardManifest.File file : part.files()) {
      rows.addAll(rows(shards.resolve(file.name())));
    }
    return rows;
  }

  private static List<int[]> rows(Path file) throws IOException {
    List<int[]> rows = new ArrayList<>();
    try (RootAllocator memory = new RootAllocator();
        ArrowFileReader reader = new ArrowFileReader(Files.newByteChannel(file), memory)) {
      while (reader.loadNextBatch()) {
        FixedSizeListVector list =
            (FixedSizeListVector) reader.getVectorSchemaRoot().getVector("tokens");
        IntVector values = (IntVector) list.getDataVector();
        for (int row = 0; row < list.getValueCount(); row++) {
          int[] ids = new int[list.getListSize()];
          for (int i = 0; i < ids.length; i++) {
            ids[i] = values.get(row * ids.length + i);
          }
          rows.add(ids);
        }
      }
    }
    return rows;
  }
}
