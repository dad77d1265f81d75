package dev.sparrow.config;

/**
 * Images to classify: where they stand in the data, and how training varies them. Keys {@code
 * image.*}; conf/reference.conf tells each one's meaning, unit and range.
 */
public record Image(
    String column, String labelColumn, int height, int width, int cropPadding, boolean flip) {}
