package dev.sparrow.config;

/**
 * Sampling of text. Keys {@code generate.*}; conf/reference.conf tells each one's meaning, unit and
 * range.
 */
public record Generate(
    String prompt, int tokens, double temperature, int topK, double topP, long seed) {}
