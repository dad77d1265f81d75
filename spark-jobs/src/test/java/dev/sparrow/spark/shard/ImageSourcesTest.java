package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.image.ImageSize;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an image may lie in, and what it is as pixels. */
class ImageSourcesTest {
  private static final int HEIGHT = 3;
  private static final int WIDTH = 5;
  private static final ImageSize SIZE = new ImageSize(HEIGHT, WIDTH);

  @TempDir Path directory;

  @Test
  void whateverHoldsAnImageItsPixelsAreTheSame() throws Exception {
    byte[] colours = ImageFixture.colours(HEIGHT, WIDTH, 7);
    byte[] png = ImageFixture.encoded(ImageFixture.image(HEIGHT, WIDTH, colours), "png");
    DataType file =
        new StructType().add("path", DataTypes.StringType).add("bytes", DataTypes.BinaryType);
    check(colours, DataTypes.BinaryType, png);
    check(colours, file, RowFactory.create("a.png", png));
    check(
        colours,
        sparksImage(),
        RowFactory.create("a.png", HEIGHT, WIDTH, 3, 16, mirrored(colours)));
    check(colours, DataTypes.createArrayType(DataTypes.IntegerType), levels(colours));
    check(
        colours,
        DataTypes.createArrayType(DataTypes.ShortType),
        levels(colours).stream().map(Integer::shortValue).toList());
    check(
        colours,
        DataTypes.createArrayType(DataTypes.ByteType),
        levels(colours).stream().map(Integer::byteValue).toList());
    DataType pixel = DataTypes.createArrayType(DataTypes.IntegerType);
    check(
        colours,
        DataTypes.createArrayType(DataTypes.createArrayType(pixel)),
        parts(parts(levels(colours), 3), WIDTH));
  }

  /** The schema of Spark's image data source. */
  private static StructType sparksImage() {
    return new StructType()
        .add("origin", DataTypes.StringType)
        .add("height", DataTypes.IntegerType)
        .add("width", DataTypes.IntegerType)
        .add("nChannels", DataTypes.IntegerType)
        .add("mode", DataTypes.IntegerType)
        .add("data", DataTypes.BinaryType);
  }

  private void check(byte[] colours, DataType type, Object image) throws Exception {
    String name = type.catalogString().replaceAll("\\W", "");
    Path out = directory.resolve(name);
    ShardManifest manifest =
        ImageFixture.shard(
            ImageFixture.table(type, DataTypes.IntegerType, List.of(RowFactory.create(image, 0))),
            ImageFixture.settings(out, SIZE, 0));
    assertEquals(ImageContent.DType.UINT8, manifest.images().dtype());
    assertEquals(3, manifest.images().channels(), name);
    assertArrayEquals(
        ImageFixture.levels(colours),
        ImageFixture.stored(out, manifest.train()).get(0).pixels(),
        name);
  }

  private static List<Integer> levels(byte[] bytes) {
    return IntStream.range(0, bytes.length).map(i -> bytes[i] & 0xFF).boxed().toList();
  }

  /** Red, green, blue as blue, green, red, or back. */
  private static byte[] mirrored(byte[] colours) {
    byte[] mirrored = new byte[colours.length];
    for (int i = 0; i < colours.length; i++) {
      mirrored[i] = colours[i / 3 * 3 + 2 - i % 3];
    }
    return mirrored;
  }

  private static <T> List<List<T>> parts(List<T> list, int size) {
    return IntStream.range(0, list.size() / size)
        .mapToObj(i -> list.subList(i * size, (i + 1) * size))
        .toList();
  }

  @Test
  void floatsStayAsTheyAreAndGreyNeedsNoChannels() throws Exception {
    DataType grey = DataTypes.createArrayType(DataTypes.createArrayType(DataTypes.FloatType));
    List<List<Float>> rows = List.of(List.of(-1.5f, 0f), List.of(2f, 300f), List.of(0.25f, 1f));
    SourceSpec source =
        ImageFixture.parquet(
            directory.resolve("f"), grey, DataTypes.LongType, List.of(RowFactory.create(rows, 4L)));
    Path out = directory.resolve("out");
    ShardManifest manifest =
        ImageFixture.shard(source, ImageFixture.settings(out, ImageFixture.ANY, 0));
    ImageContent images = manifest.images();
    assertEquals(List.of(3, 2, 1), List.of(images.height(), images.width(), images.channels()));
    assertEquals(ImageContent.DType.FLOAT32, images.dtype());
    assertEquals(List.of("4"), images.classes());
    ImageFixture.Stored stored = ImageFixture.stored(out, manifest.train()).get(0);
    assertArrayEquals(new double[] {-1.5, 0, 2, 300, 0.25, 1}, stored.pixels());
    assertEquals(0, stored.label());
    assertEquals(301.75 / 6, images.mean().get(0), 1e-12);
  }

  @Test
  void jpegIsDecodedAndGreyAmongColoursBecomesColour() throws Exception {
    byte[] colour = ImageFixture.encoded(ImageFixture.image(16, 8, new byte[16 * 8 * 3]), "jpg");
    BufferedImage grey = new BufferedImage(8, 16, BufferedImage.TYPE_BYTE_GRAY);
    for (int i = 0; i < 128; i++) {
      grey.getRaster().setSample(i % 8, i / 8, 0, 2 * i);
    }
    byte[] greyFile = ImageFixture.encoded(grey, "jpg");
    SourceSpec source =
        ImageFixture.parquet(
            directory.resolve("j"),
            DataTypes.BinaryType,
            DataTypes.IntegerType,
            List.of(RowFactory.create(colour, 0), RowFactory.create(greyFile, 1)));
    Path out = directory.resolve("out");
    ShardManifest manifest =
        ImageFixture.shard(source, ImageFixture.settings(out, ImageFixture.ANY, 0));
    BufferedImage expected = ImageIO.read(new ByteArrayInputStream(greyFile));
    double[] pixels = ImageFixture.stored(out, manifest.train()).get(1).pixels();
    for (int i = 0; i < pixels.length; i++) {
      int level = expected.getRaster().getSample(i / 3 % 8, i / 3 / 8, 0);
      assertEquals(level, pixels[i], "number " + i);
    }
    assertTrue(pixels[pixels.length - 1] > 200, "the stored grey is not darkened");
  }

  /** Transparent, with a palette, of two colours, of 16 bits: as PNG has them. */
  @Test
  void everyColourModelBecomesGreyOrColours() throws Exception {
    BufferedImage transparent = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_ARGB);
    transparent.setRGB(1, 0, 0x40_0A_14_1E);
    BufferedImage palette = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_BYTE_INDEXED);
    palette.setRGB(1, 0, 0xFF_FF_00_00);
    BufferedImage two = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_BYTE_BINARY);
    two.setRGB(1, 0, 0xFF_FF_FF_FF);
    BufferedImage deep = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_USHORT_GRAY);
    deep.getRaster().setSample(1, 0, 0, 0x89AB);
    checkSecondPixel(transparent, 0x0A, 0x14, 0x1E);
    checkSecondPixel(palette, 255, 0, 0);
    checkSecondPixel(two, 255);
    checkSecondPixel(deep, 0x89);
  }

  private void checkSecondPixel(BufferedImage image, int... expected) throws Exception {
    Path out = directory.resolve("model-" + image.getType());
    SourceSpec source =
        ImageFixture.table(
            DataTypes.BinaryType,
            DataTypes.IntegerType,
            List.of(RowFactory.create(ImageFixture.encoded(image, "png"), 0)));
    ShardManifest manifest =
        ImageFixture.shard(source, ImageFixture.settings(out, ImageFixture.ANY, 0));
    assertEquals(expected.length, manifest.images().channels());
    double[] pixels = ImageFixture.stored(out, manifest.train()).get(0).pixels();
    for (int c = 0; c < expected.length; c++) {
      assertEquals(expected[c], pixels[expected.length + c], "type " + image.getType());
    }
  }

  @Test
  void imagesOfOtherSizesAreResizedWhereASizeIsSet() throws Exception {
    byte[] plain = new byte[24 * 20 * 3];
    for (int i = 0; i < plain.length; i++) {
      plain[i] = (byte) (i % 3 == 0 ? 200 : i % 3 == 1 ? 100 : 50);
    }
    byte[] large = ImageFixture.encoded(ImageFixture.image(24, 20, plain), "png");
    byte[] own = ImageFixture.png(HEIGHT, WIDTH, 3);
    SourceSpec source =
        ImageFixture.parquet(
            directory.resolve("r"),
            DataTypes.BinaryType,
            DataTypes.IntegerType,
            List.of(RowFactory.create(large, 0), RowFactory.create(own, 1)));
    Path out = directory.resolve("out");
    ShardManifest manifest = ImageFixture.shard(source, ImageFixture.settings(out, SIZE, 0));
    List<ImageFixture.Stored> stored = ImageFixture.stored(out, manifest.train());
    for (int i = 0; i < HEIGHT * WIDTH * 3; i++) {
      assertEquals(i % 3 == 0 ? 200 : i % 3 == 1 ? 100 : 50, stored.get(0).pixels()[i], 1);
    }
    assertArrayEquals(
        ImageFixture.levels(ImageFixture.colours(HEIGHT, WIDTH, 3)), stored.get(1).pixels());
  }

  @Test
  void aFieldOfAStructCanBeNamed() throws Exception {
    DataType file = new StructType().add("bytes", DataTypes.BinaryType);
    byte[] png = ImageFixture.png(HEIGHT, WIDTH, 1);
    ImageFixture.parquet(
        directory.resolve("n"),
        file,
        DataTypes.IntegerType,
        List.of(RowFactory.create(RowFactory.create((Object) png), 0)));
    SourceSpec source =
        SourceSpec.files("parquet", "image.bytes", directory.resolve("n").toString());
    Path out = directory.resolve("out");
    ShardManifest manifest =
        ImageFixture.shard(source, ImageFixture.settings(out, ImageFixture.ANY, 0));
    assertArrayEquals(
        ImageFixture.levels(ImageFixture.colours(HEIGHT, WIDTH, 1)),
        ImageFixture.stored(out, manifest.train()).get(0).pixels());
  }

  @Test
  void foldersOfFilesAreASourceWhoseFolderNamesAreClasses() throws Exception {
    for (String name : List.of("cat", "ant")) {
      Path folder = Files.createDirectories(directory.resolve("files/label=" + name));
      long seed = name.charAt(0);
      Files.write(folder.resolve("a picture.png"), ImageFixture.png(HEIGHT, WIDTH, seed));
    }
    SourceSpec source =
        SourceSpec.files("binaryfile", "content", directory.resolve("files").toString());
    Path out = directory.resolve("out");
    ShardManifest manifest =
        ImageFixture.shard(source, ImageFixture.settings(out, ImageFixture.ANY, 0));
    assertEquals(List.of("ant", "cat"), manifest.images().classes());
    for (ImageFixture.Stored image : ImageFixture.stored(out, manifest.train())) {
      long seed = image.label() == 0 ? 'a' : 'c';
      assertArrayEquals(
          ImageFixture.levels(ImageFixture.colours(HEIGHT, WIDTH, seed)), image.pixels());
    }
  }

  @Test
  void arrowFilesAreASource() throws Exception {
    Path file = directory.resolve("images.arrow");
    Field image = Field.notNullable("image", new ArrowType.Binary());
    Field label = Field.notNullable("label", new ArrowType.Int(64, true));
    try (RootAllocator memory = new RootAllocator();
        VectorSchemaRoot root = VectorSchemaRoot.create(new Schema(List.of(image, label)), memory);
        ArrowFileWriter writer =
            new ArrowFileWriter(root, null, Channels.newChannel(Files.newOutputStream(file)))) {
      ((VarBinaryVector) root.getVector("image")).setSafe(0, ImageFixture.png(HEIGHT, WIDTH, 9));
      ((BigIntVector) root.getVector("label")).setSafe(0, 0);
      root.setRowCount(1);
      writer.start();
      writer.writeBatch();
    }
    Path out = directory.resolve("out");
    ShardManifest manifest =
        ImageFixture.shard(
            SourceSpec.files("arrow", "image", file.toString()),
            ImageFixture.settings(out, ImageFixture.ANY, 0));
    assertArrayEquals(
        ImageFixture.levels(ImageFixture.colours(HEIGHT, WIDTH, 9)),
        ImageFixture.stored(out, manifest.train()).get(0).pixels());
  }
}
