package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.image.ImageSize;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageShardErrorsTest {
  private static final byte[] PNG = ImageFixture.png(4, 5, 1);

  @TempDir Path directory;

  @Test
  void aCorruptImageNamesRowAndCause() {
    byte[] jpeg =
        ImageFixture.encoded(ImageFixture.image(32, 32, ImageFixture.colours(32, 32, 2)), "jpg");
    List<byte[]> corrupt =
        List.of(
            new byte[] {1, 2, 3},
            Arrays.copyOf(PNG, 40),
            Arrays.copyOf(jpeg, 30),
            "not an image".getBytes());
    for (byte[] image : corrupt) {
      refused(
          binary(RowFactory.create(PNG, 0), RowFactory.create(image, 1)),
          ImageFixture.ANY,
          "row 1 of partition 0: column 'image': ",
          image.length + " bytes");
    }
    refused(
        binary(RowFactory.create(corrupt.get(0), 0)),
        ImageFixture.ANY,
        "the first image: expected a file of",
        "begin with 01 02 03");
  }

  @Test
  void anotherSizeNamesRowAndBothSizes() {
    refused(
        binary(RowFactory.create(PNG, 0), RowFactory.create(ImageFixture.png(6, 7, 1), 1)),
        ImageFixture.ANY,
        "row 1 of partition 0",
        "expected 4 x 5 pixels of 3 channels",
        "got 6 x 7 pixels of 3 channels",
        "set image.height and image.width");
  }

  @Test
  void rowsWithoutImageOrLabelAreSkippedAndCounted() {
    ShardManifest manifest =
        ImageFixture.shard(
            binary(
                RowFactory.create(null, 0),
                RowFactory.create(PNG, null),
                RowFactory.create(new byte[0], 1),
                RowFactory.create(PNG, 1),
                RowFactory.create(PNG, 0)),
            ImageFixture.settings(directory.resolve("out"), ImageFixture.ANY, 0));
    assertEquals(2, manifest.nullRows());
    assertEquals(1, manifest.emptyRows());
    assertEquals(2, manifest.train().rows());
    refused(binary(RowFactory.create(null, 0)), ImageFixture.ANY, "null or empty in all rows");
  }

  @Test
  void columnsThatHoldNoImagesOrClassesAreRefused() {
    refused(
        source(DataTypes.StringType, DataTypes.IntegerType, RowFactory.create("a.png", 0)),
        ImageFixture.ANY,
        "column 'image': expected images",
        "got string",
        "set image.column");
    refused(
        source(DataTypes.BinaryType, DataTypes.DoubleType, RowFactory.create(PNG, 0.5)),
        ImageFixture.ANY,
        "column 'label': expected classes as text or whole numbers, got double");
    refused(
        binary(RowFactory.create(PNG, 0), RowFactory.create(PNG, 5)),
        ImageFixture.ANY,
        "column 'label': expected whole numbers without gaps, found 0 and next 5");
  }

  @Test
  void arraysMustHaveTheirSizeAndRange() {
    DataType ints = DataTypes.createArrayType(DataTypes.IntegerType);
    refused(
        source(ints, DataTypes.IntegerType, RowFactory.create(List.of(1, 2, 3), 0)),
        ImageFixture.ANY,
        "does not tell the size of its images; set image.height and image.width");
    refused(
        source(ints, DataTypes.IntegerType, RowFactory.create(List.of(1, 2, 3), 0)),
        new ImageSize(1, 2),
        "expected a multiple of image.height x image.width = 1 x 2 = 2 numbers, got 3");
    refused(
        source(ints, DataTypes.IntegerType, RowFactory.create(List.of(1, 256), 0)),
        new ImageSize(1, 2),
        "number 1: expected 0 to 255, got 256");
    DataType nested = DataTypes.createArrayType(DataTypes.createArrayType(DataTypes.FloatType));
    refused(
        source(
            nested,
            DataTypes.IntegerType,
            RowFactory.create(List.of(List.of(1f, 2f), List.of(3f)), 0)),
        ImageFixture.ANY,
        "expected arrays of the first one's 2 items, got 1");
    refused(
        source(nested, DataTypes.IntegerType, RowFactory.create(List.of(List.of(Float.NaN)), 0)),
        ImageFixture.ANY,
        "number 0: expected a finite one, got NaN");
  }

  @Test
  void aClassThatTheModelDoesNotKnowIsRefused() {
    SourceSpec source =
        source(DataTypes.BinaryType, DataTypes.StringType, RowFactory.create(PNG, "horse"));
    ShardSettings settings =
        new ShardSettings(
            directory.resolve("out").toString(),
            new ImageSettings("label", ImageFixture.ANY, List.of("house", "ship")),
            SplitRule.byHash(1, 0),
            10,
            false);
    DataException error =
        assertThrows(DataException.class, () -> ImageFixture.shard(source, settings));
    assertTrue(
        error.getMessage().contains("class 'horse' is unknown; did you mean 'house'?"),
        error.getMessage());
  }

  private static SourceSpec binary(Row... rows) {
    return source(DataTypes.BinaryType, DataTypes.IntegerType, rows);
  }

  private static SourceSpec source(DataType image, DataType label, Row... rows) {
    return ImageFixture.table(image, label, List.of(rows));
  }

  private void refused(SourceSpec source, ImageSize size, String... words) {
    Path out = directory.resolve("refused");
    DataException error =
        assertThrows(
            DataException.class,
            () -> ImageFixture.shard(source, ImageFixture.settings(out, size, 0)));
    for (String word : words) {
      assertTrue(
          error.getMessage().contains(word), "expected " + word + " in: " + error.getMessage());
    }
    assertFalse(Files.exists(out.resolve("manifest.json")));
  }
}
