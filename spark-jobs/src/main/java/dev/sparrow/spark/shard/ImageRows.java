package dev.sparrow.spark.shard;

import dev.sparrow.data.ImageShape;
import dev.sparrow.spark.image.Pixels;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.List;
import java.util.Map;

/**
 * Rows of an image and a class: the column {@code image}, {@code arrow.fixed_shape_tensor} of uint8
 * or float32 (Arrow's canonical extension type, stored as FixedSizeList), and {@code label}, int32.
 */
record ImageRows(int height, int width, int channels, boolean floats)
    implements RowFormat<LabelledImage> {
  static final int IMAGE = 0;
  static final int LABEL = 1;

  /** Of images like this one. */
  static ImageRows of(Pixels image) {
    ImageShape shape = image.shape();
    return new ImageRows(shape.height(), shape.width(), shape.channels(), image.isFloat());
  }

  ImageShape shape() {
    return new ImageShape(height, width, channels);
  }

  @Override
  public List<FixedColumn> columns() {
    Map<String, String> tensor =
        Map.of(
            "ARROW:extension:name",
            "arrow.fixed_shape_tensor",
            "ARROW:extension:metadata",
            "{\"shape\":[%d,%d,%d],\"dim_names\":[\"H\",\"W\",\"C\"]}"
                .formatted(height, width, channels));
    return List.of(
        new FixedColumn(
            "image", floats ? FixedColumn.FLOAT32 : FixedColumn.UINT8, shape().size(), tensor),
        FixedColumn.scalar("label", FixedColumn.INT32));
  }

  @Override
  public RowSink<LabelledImage> sink(List<ByteBuffer> memory) {
    int size = shape().size();
    ByteBuffer bytes = memory.get(IMAGE);
    FloatBuffer numbers = bytes.asFloatBuffer();
    IntBuffer labels = memory.get(LABEL).asIntBuffer();
    return (row, index) -> {
      if (floats) {
        numbers.put(index * size, row.pixels().floats());
      } else {
        bytes.put(index * size, row.pixels().bytes());
      }
      labels.put(index, row.label());
    };
  }
}
