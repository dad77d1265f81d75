package dev.sparrow.config;

/**
 * How text becomes ids. Keys {@code tokenizer.*}; conf/reference.conf tells each one's meaning,
 * unit and range.
 */
public record Tokenizer(
    String kind, String path, String endOfTextToken, int vocabulary, int endOfText) {}
