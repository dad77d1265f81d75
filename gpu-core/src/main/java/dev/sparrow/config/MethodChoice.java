package dev.sparrow.config;

/**
 * Which training method. Keys {@code method.*}; conf/reference.conf tells each one's meaning, unit
 * and range.
 */
public record MethodChoice(String name) {}
