package dev.sparrow.config;

/**
 * When checkpoints are written. Keys {@code checkpoint.*}; conf/reference.conf tells each one's
 * meaning, unit and range.
 */
public record CheckpointSettings(int every, int keep) {}
