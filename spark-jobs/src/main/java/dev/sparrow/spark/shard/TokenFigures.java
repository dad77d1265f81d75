package dev.sparrow.spark.shard;

import java.io.Serializable;

/**
 * What a task found in a split of documents.
 *
 * @param documents that ended in it
 * @param tokens of those documents, end-of-text included
 * @param tail at most context tokens that filled no row; the driver packs all tails together
 */
record TokenFigures(long documents, long tokens, int[] tail) implements Serializable {}
