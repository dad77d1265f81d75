package dev.sparrow.spark.shard;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.sparrow.data.ImageShape;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Rows of an image and its class.
 *
 * @param height of all images
 * @param width of all images
 * @param channels 1 for grey, 3 for red, green and blue; others as the source's arrays have them
 * @param dtype of their numbers
 * @param classes names by number; of whole-numbered labels the numbers
 * @param mean of each channel over the training images, of bytes as shares of 255; empty without
 *     training images
 * @param deviation of each channel, likewise
 * @param trainLabels images of each class in the training split
 * @param validationLabels images of each class in the validation split
 */
public record ImageContent(
    int height,
    int width,
    int channels,
    DType dtype,
    List<String> classes,
    List<Double> mean,
    List<Double> deviation,
    List<Long> trainLabels,
    List<Long> validationLabels)
    implements ShardContent {
  /** Of classes' names in a message. */
  private static final int MOST_LETTERS = 200;

  /** What a number of an image is. */
  public enum DType {
    @JsonProperty("uint8")
    UINT8,
    @JsonProperty("float32")
    FLOAT32;

    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  public ImageContent {
    classes = List.copyOf(classes);
    mean = List.copyOf(mean);
    deviation = List.copyOf(deviation);
    trainLabels = List.copyOf(trainLabels);
    validationLabels = List.copyOf(validationLabels);
  }

  @Override
  public Optional<String> mismatch(ShardContent other) {
    if (!(other instanceof ImageContent images)) {
      return Optional.of("images, got tokens; shard the data with model.kind = mlp or vit");
    }
    if (!rows().equals(images.rows())) {
      return Optional.of(
          "images of "
              + words()
              + ", got "
              + images.words()
              + "; shard the data with image.height and image.width of those");
    }
    return classes.equals(images.classes)
        ? Optional.empty()
        : Optional.of(
            "classes "
                + shortened(classes)
                + ", got "
                + shortened(images.classes)
                + "; shard the data by `evaluate`, which knows the model's classes");
  }

  private String words() {
    return "%d x %d x %d %s".formatted(height, width, channels, dtype.label());
  }

  private static String shortened(List<String> names) {
    String all = String.join(", ", names);
    return all.length() <= MOST_LETTERS
        ? all
        : names.size() + ": " + all.substring(0, MOST_LETTERS) + "...";
  }

  public ImageShape shape() {
    return new ImageShape(height, width, channels);
  }

  /** {@link #mean} as images are normalised by it. */
  public float[] means() {
    return floats(mean, 0);
  }

  /**
   * {@link #deviation} as images are normalised by it: 1 where a channel is the same everywhere.
   */
  public float[] deviations() {
    return floats(deviation, 1);
  }

  private static float[] floats(List<Double> values, float instead) {
    float[] floats = new float[values.size()];
    for (int i = 0; i < floats.length; i++) {
      float value = values.get(i).floatValue();
      floats[i] = value == 0 ? instead : value;
    }
    return floats;
  }

  ImageRows rows() {
    return new ImageRows(height, width, channels, dtype == DType.FLOAT32);
  }
}
