/**
 * From documents to training batches: {@link dev.sparrow.spark.shard.ShardDataset} tokenises and
 * packs a DataFrame into Arrow IPC files with a manifest, {@link
 * dev.sparrow.spark.shard.ArrowShardReader} reads them as batches in an order that the seed
 * decides.
 *
 * <p>A shard directory holds {@code manifest.json}, written last, and the files it names under
 * {@code train/} and {@code validation/}; other files there do not count. The column {@code tokens}
 * is FixedSizeList&lt;int32&gt;[context + 1], not null: row i of a stream of tokens covers tokens
 * {@code [i·context, i·context + context]}, so that neighbours share one token and every token but
 * the first is a target once.
 *
 * <p>Imports {@code data}, {@code tensor} for the memory of batches, {@code spark.data}, {@code
 * spark.text}, Spark SQL, Arrow, Jackson and Hadoop's file system.
 */
package dev.sparrow.spark.shard;
