package dev.sparrow.config;

/** The run. Keys {@code train.*}; conf/reference.conf tells each one's meaning, unit and range. */
public record Train(
    long steps,
    int batch,
    int microBatch,
    long seed,
    int logEvery,
    int validateEvery,
    int validationSequences,
    String backend,
    int threads) {}
