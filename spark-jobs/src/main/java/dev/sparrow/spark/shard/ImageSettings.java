package dev.sparrow.spark.shard;

import dev.sparrow.spark.image.ImageSize;
import java.util.List;

/**
 * Images and their classes become rows.
 *
 * @param labelColumn holds the class of each: whole numbers without gaps, or names
 * @param size of all images; where it is not set that of the first, and then all must have it
 * @param classes names that labels may have, in their order; empty: those that the data has, sorted
 */
public record ImageSettings(String labelColumn, ImageSize size, List<String> classes)
    implements ContentSettings {
  public ImageSettings {
    classes = List.copyOf(classes);
  }

  /** Files end where they have their size; how many rows that is, the first image tells. */
  @Override
  public long mostRowsPerFile() {
    return Long.MAX_VALUE;
  }
}
