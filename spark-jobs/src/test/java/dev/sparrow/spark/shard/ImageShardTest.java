package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.data.SourceSpec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageShardTest {
  private static final int HEIGHT = 3;
  private static final int WIDTH = 5;

  @TempDir Path directory;

  @Test
  void plainArrowFindsFixedShapeTensors() throws Exception {
    Path out = directory.resolve("out");
    ShardManifest manifest =
        ImageFixture.shard(
            ImageFixture.pngs(directory.resolve("p"), 12),
            ImageFixture.settings(out, ImageFixture.ANY, 0));
    assertEquals(List.of(10L, 2L), manifest.train().files().stream().map(f -> f.rows()).toList());
    Path file = out.resolve(manifest.train().files().get(0).name());
    try (RootAllocator memory = new RootAllocator();
        ArrowFileReader reader = new ArrowFileReader(Files.newByteChannel(file), memory)) {
      Field image = reader.getVectorSchemaRoot().getSchema().findField("image");
      assertEquals(
          Map.of(
              "ARROW:extension:name",
              "arrow.fixed_shape_tensor",
              "ARROW:extension:metadata",
              "{\"shape\":[4,5,3],\"dim_names\":[\"H\",\"W\",\"C\"]}"),
          image.getMetadata());
      assertEquals(new ArrowType.FixedSizeList(60), image.getType());
      assertEquals(new ArrowType.Int(8, false), image.getChildren().get(0).getType());
      Field label = reader.getVectorSchemaRoot().getSchema().findField("label");
      assertEquals(new ArrowType.Int(32, true), label.getType());
    }
    List<ImageFixture.Stored> stored = ImageFixture.stored(out, manifest.train());
    for (int i = 0; i < 12; i++) {
      assertEquals(i % 3, stored.get(i).label());
      assertArrayEquals(ImageFixture.levels(ImageFixture.colours(4, 5, i)), stored.get(i).pixels());
    }
  }

  @Test
  void theManifestTellsClassesTheirCountsAndTheChannelsMoments() throws Exception {
    List<Row> rows = new ArrayList<>();
    String[] names = {"ship", "airplane", "frog", "airplane"};
    for (int i = 0; i < names.length; i++) {
      rows.add(RowFactory.create(ImageFixture.png(HEIGHT, WIDTH, i), names[i]));
    }
    SourceSpec source =
        ImageFixture.parquet(
            directory.resolve("p"), DataTypes.BinaryType, DataTypes.StringType, rows);
    ImageContent images =
        ImageFixture.shard(
                source, ImageFixture.settings(directory.resolve("out"), ImageFixture.ANY, 0))
            .images();
    assertEquals(List.of("airplane", "frog", "ship"), images.classes());
    assertEquals(List.of(2L, 1L, 1L), images.trainLabels());
    assertEquals(List.of(0L, 0L, 0L), images.validationLabels());
    for (int c = 0; c < 3; c++) {
      double[] values = channel(names.length, c);
      double mean =
          IntStream.range(0, values.length).mapToDouble(i -> values[i]).average().getAsDouble();
      double variance =
          IntStream.range(0, values.length)
              .mapToDouble(i -> (values[i] - mean) * (values[i] - mean))
              .average()
              .getAsDouble();
      assertEquals(mean, images.mean().get(c), 1e-12);
      assertEquals(Math.sqrt(variance), images.deviation().get(c), 1e-12);
    }
  }

  private static double[] channel(int images, int c) {
    return IntStream.range(0, images)
        .mapToObj(i -> ImageFixture.levels(ImageFixture.colours(HEIGHT, WIDTH, i)))
        .flatMapToDouble(
            v -> IntStream.range(0, HEIGHT * WIDTH).mapToDouble(p -> v[3 * p + c] / 255.0))
        .toArray();
  }

  @Test
  void theSplitDependsOnThePixelsAloneAndMayHoldOutAll() throws Exception {
    SourceSpec source = ImageFixture.pngs(directory.resolve("p"), 60);
    ShardManifest one =
        ImageFixture.shard(
            source, ImageFixture.settings(directory.resolve("one"), ImageFixture.ANY, 0.3));
    assertTrue(one.validation().rows() > 5 && one.validation().rows() < 35, one.toString());
    LocalSpark.session()
        .read()
        .parquet(directory.resolve("p").toString())
        .repartition(5)
        .createOrReplaceTempView("images_in_parts");
    ShardManifest parts =
        ImageFixture.shard(
            SourceSpec.table("images_in_parts", "image"),
            ImageFixture.settings(directory.resolve("parts"), ImageFixture.ANY, 0.3));
    assertEquals(
        sorted(ImageFixture.stored(directory.resolve("one"), one.validation())),
        sorted(ImageFixture.stored(directory.resolve("parts"), parts.validation())));
    assertEquals(one.images().mean(), parts.images().mean(), "sums of bytes know no order");
    ShardManifest all =
        ImageFixture.shard(
            source, ImageFixture.settings(directory.resolve("all"), ImageFixture.ANY, 1));
    assertEquals(List.of(0L, 60L), List.of(all.train().rows(), all.validation().rows()));
    assertEquals(List.of(), all.images().mean());
  }

  private static List<String> sorted(List<ImageFixture.Stored> images) {
    List<String> texts = new ArrayList<>();
    images.forEach(s -> texts.add(s.label() + Arrays.toString(s.pixels())));
    Collections.sort(texts);
    return texts;
  }

  @Test
  void equalInputAndSettingsAreReusedAndOthersRefused() {
    SourceSpec source = ImageFixture.pngs(directory.resolve("p"), 6);
    ShardSettings settings = ImageFixture.settings(directory.resolve("out"), ImageFixture.ANY, 0);
    ShardManifest first = ImageFixture.shard(source, settings);
    assertEquals(first, ImageFixture.shard(source, settings));
    assertNotEquals(
        first.train().files(),
        ImageFixture.shard(source, settings.withOverwrite(true)).train().files());
  }
}
