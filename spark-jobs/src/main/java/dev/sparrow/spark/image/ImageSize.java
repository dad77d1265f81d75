package dev.sparrow.spark.image;

import dev.sparrow.spark.data.DataException;
import java.io.Serializable;

/**
 * What size images are to have.
 *
 * @param height in pixels; 0: as they are
 * @param width in pixels; 0: as they are
 */
public record ImageSize(int height, int width) implements Serializable {
  public ImageSize {
    if (height < 0 || width < 0 || (height == 0) != (width == 0)) {
      throw new DataException(
          "image size: expected height and width >= 1, or both 0, got " + height + " and " + width);
    }
  }

  boolean isSet() {
    return height > 0;
  }
}
