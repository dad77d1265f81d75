package dev.sparrow.spark.shard;

import java.util.Locale;

/** The two parts of a shard directory, each a folder of files. */
public enum Split {
  TRAIN,
  VALIDATION;

  /** Name of the folder and of the manifest's entry. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
