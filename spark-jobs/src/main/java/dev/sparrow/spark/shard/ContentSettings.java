package dev.sparrow.spark.shard;

/** What to make of the rows of a source. */
public sealed interface ContentSettings permits ImageSettings, TokenSettings {
  /** Rows that a file may have, where that is known before the data is seen. */
  long mostRowsPerFile();
}
