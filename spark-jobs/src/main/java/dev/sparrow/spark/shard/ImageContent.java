package dev.sparrow.spark.shard;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.sparrow.data.ImageShape;
import java.util.List;

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
  /** What a number of an image is. */
  public enum DType {
    @JsonProperty("uint8")
    UINT8,
    @JsonProperty("float32")
    FLOAT32
  }

  public ImageContent {
    classes = List.copyOf(classes);
    mean = List.copyOf(mean);
    deviation = List.copyOf(deviation);
    trainLabels = List.copyOf(trainLabels);
    validationLabels = List.copyOf(validationLabels);
  }

  public ImageShape shape() {
    return new ImageShape(height, width, channels);
  }

  ImageRows rows() {
    return new ImageRows(height, width, channels, dtype == DType.FLOAT32);
  }
}
