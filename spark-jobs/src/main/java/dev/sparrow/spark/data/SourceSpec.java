package dev.sparrow.spark.data;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Rows to read and the column that holds the documents.
 *
 * @param format kind of source
 * @param paths files, directories or globs on any Hadoop file system; empty for a table
 * @param table name in the session's catalog, else null
 * @param options passed to Spark's reader as they are; {@code wholetext=true} makes every file of
 *     format text one document, where otherwise every line is one
 * @param column holds text, or token ids when {@code tokenised}; null: {@code value} for format
 *     text, else {@code text} or {@code tokens}
 * @param tokenised whether the column holds arrays of token ids (int or long)
 */
public record SourceSpec(
    Format format,
    List<String> paths,
    String table,
    Map<String, String> options,
    String column,
    boolean tokenised) {

  /**
   * Kinds of sources; feather is version 2, which is the Arrow IPC file format; binaryfile and
   * image are folders of files, of which Spark makes a row each.
   */
  public enum Format {
    TEXT,
    JSON,
    PARQUET,
    ORC,
    CSV,
    ARROW,
    FEATHER,
    TABLE,
    BINARYFILE,
    IMAGE;

    /** The format of that name, in any case. */
    public static Format of(String name) {
      return Arrays.stream(values())
          .filter(format -> format.label().equalsIgnoreCase(name))
          .findFirst()
          .orElseThrow(
              () ->
                  new DataException(
                      Names.unknown(
                          "format", name, Arrays.stream(values()).map(Format::label).toList())));
    }

    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  public SourceSpec {
    paths = List.copyOf(paths);
    options = Map.copyOf(options);
    if (format == Format.TABLE && (table == null || table.isBlank())) {
      throw new DataException("format table: expected the name of a table");
    }
    if (format != Format.TABLE && paths.isEmpty()) {
      throw new DataException("format " + format.label() + ": expected at least one path");
    }
    if (column == null) {
      column = format == Format.TEXT ? "value" : tokenised ? "tokens" : "text";
    }
  }

  /** Text documents in the given column of files. */
  public static SourceSpec files(String format, String column, String... paths) {
    return new SourceSpec(Format.of(format), List.of(paths), null, Map.of(), column, false);
  }

  /** Every text file under the paths as one document. */
  public static SourceSpec wholeTexts(String... paths) {
    return new SourceSpec(
        Format.TEXT, List.of(paths), null, Map.of("wholetext", "true"), "value", false);
  }

  /** Text documents in the given column of a table. */
  public static SourceSpec table(String table, String column) {
    return new SourceSpec(Format.TABLE, List.of(), table, Map.of(), column, false);
  }

  /** The same rows, whose column holds token ids. */
  public SourceSpec withTokens(String idsColumn) {
    return new SourceSpec(format, paths, table, options, idsColumn, true);
  }

  /** The same source with one more option for the reader. */
  public SourceSpec withOption(String key, String value) {
    Map<String, String> more = new HashMap<>(options);
    more.put(key, value);
    return new SourceSpec(format, paths, table, more, column, tokenised);
  }

  /** Where the rows are, for messages. */
  public String where() {
    return format == Format.TABLE ? "table " + table : String.join(", ", paths);
  }
}
