package dev.sparrow.config;

import java.util.Map;

/**
 * What to read and how shards are made. Keys {@code data.*}; conf/reference.conf tells each one's
 * meaning, unit and range.
 */
public record Data(
    String path,
    String format,
    Map<String, String> options,
    String column,
    String shards,
    String splitColumn,
    double validationFraction,
    int rowsPerFile,
    String cache,
    int prefetch,
    boolean shuffle) {}
