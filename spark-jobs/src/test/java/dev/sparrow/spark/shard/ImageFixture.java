package dev.sparrow.spark.shard;

import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.image.ImageSize;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.UInt1Vector;
import org.apache.arrow.vector.complex.FixedSizeListVector;
import org.apache.arrow.vector.ipc.ArrowFileReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** Images that are made up, as data sets of Parquet files. */
final class ImageFixture {
  static final ImageSize ANY = new ImageSize(0, 0);

  private ImageFixture() {}

  /** (height, width, 3) of random bytes; the seed makes the image. */
  static byte[] colours(int height, int width, long seed) {
    byte[] pixels = new byte[height * width * 3];
    new Random(seed).nextBytes(pixels);
    return pixels;
  }

  static BufferedImage image(int height, int width, byte[] colours) {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < height * width; i++) {
      int red = colours[3 * i] & 0xFF;
      int green = colours[3 * i + 1] & 0xFF;
      int blue = colours[3 * i + 2] & 0xFF;
      image.setRGB(i % width, i / width, red << 16 | green << 8 | blue);
    }
    return image;
  }

  static byte[] encoded(BufferedImage image, String format) {
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ImageIO.write(image, format, out);
      return out.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static byte[] png(int height, int width, long seed) {
    return encoded(image(height, width, colours(height, width, seed)), "png");
  }

  /** Rows of (image, label) in one file. */
  static SourceSpec parquet(Path path, DataType image, DataType label, List<Row> rows) {
    frame(image, label, rows).write().parquet(path.toString());
    return SourceSpec.files("parquet", "image", path.toString());
  }

  /** Rows of (image, label) in memory, in one partition. */
  static SourceSpec table(DataType image, DataType label, List<Row> rows) {
    String name = "images_" + UUID.randomUUID().toString().replace('-', '_');
    frame(image, label, rows).createOrReplaceTempView(name);
    return SourceSpec.table(name, "image");
  }

  private static Dataset<Row> frame(DataType image, DataType label, List<Row> rows) {
    StructType schema =
        new StructType(
            new StructField[] {
              DataTypes.createStructField("image", image, true),
              DataTypes.createStructField("label", label, true)
            });
    return LocalSpark.session().createDataFrame(rows, schema).coalesce(1);
  }

  /** So many random images of 4 x 5 pixels as PNG; image i is of class i mod 3. */
  static SourceSpec pngs(Path path, int count) {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      rows.add(RowFactory.create(png(4, 5, i), i % 3));
    }
    return parquet(path, DataTypes.BinaryType, DataTypes.IntegerType, rows);
  }

  static ShardSettings settings(Path output, ImageSize size, double validationFraction) {
    return new ShardSettings(
        output.toString(),
        new ImageSettings("label", size, List.of()),
        SplitRule.byHash(validationFraction, 1),
        10,
        false);
  }

  static ShardManifest shard(SourceSpec source, ShardSettings settings) {
    return new ShardDataset(LocalSpark.session(), settings).run(source);
  }

  /** An image and its class as Arrow's own reader finds them. */
  record Stored(double[] pixels, int label) {}

  /** All rows of a split in the order of the manifest, by Arrow's own reader. */
  static List<Stored> stored(Path shards, ShardManifest.Part part) throws IOException {
    List<Stored> images = new ArrayList<>();
    for (ShardManifest.File file : part.files()) {
      try (RootAllocator memory = new RootAllocator();
          ArrowFileReader reader =
              new ArrowFileReader(Files.newByteChannel(shards.resolve(file.name())), memory)) {
        while (reader.loadNextBatch()) {
          FixedSizeListVector list =
              (FixedSizeListVector) reader.getVectorSchemaRoot().getVector("image");
          IntVector labels = (IntVector) reader.getVectorSchemaRoot().getVector("label");
          for (int row = 0; row < list.getValueCount(); row++) {
            int at = row;
            double[] pixels =
                IntStream.range(0, list.getListSize())
                    .mapToDouble(i -> value(list.getDataVector(), at * list.getListSize() + i))
                    .toArray();
            images.add(new Stored(pixels, labels.get(row)));
          }
        }
      }
    }
    return images;
  }

  private static double value(FieldVector values, int i) {
    return values instanceof UInt1Vector bytes
        ? bytes.get(i) & 0xFF
        : ((Float4Vector) values).get(i);
  }

  /** Of unsigned bytes. */
  static double[] levels(byte[] bytes) {
    return IntStream.range(0, bytes.length).mapToDouble(i -> bytes[i] & 0xFF).toArray();
  }
}
