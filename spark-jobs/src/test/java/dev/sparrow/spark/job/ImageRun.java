package dev.sparrow.spark.job;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Images that a small network learns in seconds: a bright half on a noisy ground, by its class. */
public final class ImageRun {
  private static final List<String> CLASSES = List.of("left", "top", "right");
  private static final int SIDE = 8;

  private ImageRun() {}

  /** Rows of (image as PNG, class, name) in Parquet files. */
  public static Path images(SparkSession spark, Path path, int count, long seed) {
    Random random = new Random(seed);
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int label = random.nextInt(CLASSES.size());
      rows.add(RowFactory.create(png(label, random), CLASSES.get(label), "image-" + i));
    }
    StructType schema =
        new StructType()
            .add("image", DataTypes.BinaryType)
            .add("class", DataTypes.StringType)
            .add("name", DataTypes.StringType);
    spark.createDataFrame(rows, schema).repartition(2).write().parquet(path.toString());
    return path;
  }

  /** The same with names of classes in a column label; tells the path. */
  public static String labelled(SparkSession spark, Path path, int count, long seed) {
    Path images = images(spark, path.resolveSibling(path.getFileName() + "-raw"), count, seed);
    spark
        .read()
        .parquet(images.toString())
        .withColumnRenamed("class", "label")
        .write()
        .parquet(path.toString());
    return path.toString();
  }

  private static byte[] png(int label, Random random) {
    BufferedImage image = new BufferedImage(SIDE, SIDE, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < SIDE * SIDE; i++) {
      int x = i % SIDE;
      int y = i / SIDE;
      boolean bright = label == 0 ? x < SIDE / 2 : label == 1 ? y < SIDE / 2 : x >= SIDE / 2;
      int level = (bright ? 120 : 40) + random.nextInt(100);
      image.setRGB(x, y, new Color(level, level, random.nextInt(256)).getRGB());
    }
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ImageIO.write(image, "png", out);
      return out.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Arguments of a train. */
  public static List<String> assignments(Path images, Path output, String... more) {
    List<String> assignments =
        new ArrayList<>(
            List.of(
                "data.path=" + images,
                "data.format=parquet",
                "data.validation-fraction=0.2",
                "output.path=" + output,
                "image.label-column=class",
                "image.crop-padding=1",
                "image.flip=false",
                "model.kind=mlp",
                "model.hidden-layers=[32]",
                "model.activation=relu",
                "optimizer.learning-rate=0.01",
                "train.steps=60",
                "train.batch=32",
                "train.log-every=10",
                "train.validate-every=30",
                "cluster.ranks=2"));
    assignments.addAll(List.of(more));
    return assignments;
  }
}
