package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.Image;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageShape;
import dev.sparrow.data.ImageTransform;
import dev.sparrow.spark.data.DataException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageShardReaderTest {
  private static final ImageShape SHAPE = new ImageShape(4, 5, 3);
  private static final int IMAGES = 48;
  private static final int GLOBAL_BATCH = 12;
  private static final float[] MEAN = {0.5f, 0.25f, 0.125f};
  private static final float[] DEVIATION = {1, 0.5f, 2};

  @TempDir private static Path directory;
  private static Path shards;
  private static final Configuration HADOOP = ShardFixture.hadoop();

  @BeforeAll
  static void shard() {
    shards = directory.resolve("shards");
    ImageFixture.shard(
        ImageFixture.pngs(directory.resolve("p"), IMAGES),
        ImageFixture.settings(shards, ImageFixture.ANY, 0));
  }

  private static ArrowShardReader<ImageBatch> reader(
      int world, int rank, ImageTransform transform) {
    int micro = GLOBAL_BATCH / 2 / world;
    return ArrowShardReader.images(
        HADOOP, ReaderSettings.training(shards.toString(), 5, world, rank, micro, 2), transform);
  }

  private static ImageTransform varied() {
    return ImageTransform.training(
        SHAPE, MEAN, DEVIATION, new Image("image", "label", 0, 0, 1, true), 9);
  }

  @Test
  void anEpochIsEveryImageOnceDecodedAndNormalised() {
    Set<Integer> seen = new HashSet<>();
    ImageTransform plain = ImageTransform.evaluation(SHAPE, MEAN, DEVIATION);
    try (var reader = reader(1, 0, plain)) {
      for (int i = 0; i < IMAGES / GLOBAL_BATCH * 2; i++) {
        ImageBatch batch = reader.next();
        for (int b = 0; b < batch.samples(); b++) {
          int image = find(batch, b);
          assertTrue(seen.add(image), "image " + image + " came twice");
          assertEquals(image % 3, batch.labels()[b]);
        }
      }
    }
    assertEquals(IMAGES, seen.size());
  }

  /** By arithmetic of its own: (x / 255 - mean) / deviation in double. */
  private static int find(ImageBatch batch, int slot) {
    for (int image = 0; image < IMAGES; image++) {
      byte[] colours = ImageFixture.colours(4, 5, image);
      boolean equal = true;
      for (int i = 0; i < colours.length && equal; i++) {
        double expected = ((colours[i] & 0xFF) / 255.0 - MEAN[i % 3]) / DEVIATION[i % 3];
        equal = Math.abs(expected - batch.pixels()[slot * colours.length + i]) < 1e-5;
      }
      if (equal) {
        return image;
      }
    }
    throw new AssertionError("slot " + slot + " holds no image of the data");
  }

  @Test
  void samplesAndTheirVariationDependNeitherOnRanksNorOnWhereReadingBegan() {
    Map<Long, float[]> one = samples(1, 0, 9);
    Map<Long, float[]> two = samples(2, 0, 9);
    Map<Long, float[]> resumed = samples(3, 2L * GLOBAL_BATCH, 7);
    assertEquals(one.keySet(), two.keySet());
    one.forEach((sample, pixels) -> assertArrayEquals(pixels, two.get(sample), "sample " + sample));
    assertEquals(one.size() - 2 * GLOBAL_BATCH, resumed.size());
    resumed.forEach(
        (sample, pixels) -> assertArrayEquals(one.get(sample), pixels, "sample " + sample));
    Set<String> distinct = new HashSet<>();
    one.values().forEach(pixels -> distinct.add(Arrays.toString(pixels)));
    assertTrue(distinct.size() > IMAGES, "a second epoch varies its images otherwise");
  }

  private static Map<Long, float[]> samples(int world, long position, int steps) {
    Map<Long, float[]> samples = new TreeMap<>();
    for (int rank = 0; rank < world; rank++) {
      try (var reader = reader(world, rank, varied())) {
        reader.restore(position);
        for (int i = 0; i < 2 * steps; i++) {
          ImageBatch batch = reader.next();
          for (int b = 0; b < batch.samples(); b++) {
            int at = b * SHAPE.size();
            samples.put(
                batch.firstSample() + b, Arrays.copyOfRange(batch.pixels(), at, at + SHAPE.size()));
          }
        }
        assertEquals(position + (long) steps * GLOBAL_BATCH, reader.position());
      }
    }
    return samples;
  }

  @Test
  void anEvaluationReadsEveryImageOnceOverItsRanks() {
    Path all = directory.resolve("all");
    ImageFixture.shard(
        ImageFixture.pngs(directory.resolve("q"), 11),
        ImageFixture.settings(all, ImageFixture.ANY, 1));
    int[] labels = new int[3];
    for (int rank = 0; rank < 2; rank++) {
      ImageTransform plain = ImageTransform.evaluation(SHAPE, MEAN, DEVIATION);
      ReaderSettings settings = ReaderSettings.evaluation(all.toString(), 2, rank, 4);
      try (var reader = ArrowEvaluationReader.images(HADOOP, settings, Long.MAX_VALUE, plain)) {
        for (ImageBatch batch = reader.next(); batch != null; batch = reader.next()) {
          for (int b = 0; b < batch.samples(); b++) {
            labels[batch.labels()[b]]++;
          }
        }
        assertNull(reader.next());
      }
    }
    assertArrayEquals(new int[] {4, 4, 3}, labels);
  }

  @Test
  void damageAndOtherContentAreTold() throws Exception {
    Path damaged = directory.resolve("damaged");
    ShardManifest manifest =
        ImageFixture.shard(
            ImageFixture.pngs(directory.resolve("d"), 12),
            ImageFixture.settings(damaged, ImageFixture.ANY, 0));
    Path file = damaged.resolve(manifest.train().files().get(0).name());
    byte[] bytes = Files.readAllBytes(file);
    bytes[bytes.length / 2] ^= 1;
    Files.write(file, bytes);
    ReaderSettings settings = ReaderSettings.training(damaged.toString(), 1, 1, 0, 12, 1);
    try (var reader = ArrowShardReader.images(HADOOP, settings, varied())) {
      DataException error = assertThrows(DataException.class, reader::next);
      assertTrue(error.getMessage().contains("is damaged: expected CRC32C"), error.getMessage());
    }
    DataException other =
        assertThrows(DataException.class, () -> ArrowShardReader.tokens(HADOOP, settings));
    assertTrue(other.getMessage().contains("expected tokens"), other.getMessage());
  }
}
