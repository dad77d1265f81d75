/**
 * From documents and images to training batches: {@link dev.sparrow.spark.shard.ShardDataset} turns
 * a DataFrame into Arrow IPC files with a manifest, {@link
 * dev.sparrow.spark.shard.ArrowShardReader} reads them as batches in an order that the seed
 * decides. What differs between tokens and images lies behind {@code ShardKind} (the driver's side
 * of sharding), {@code RowEncoder} (the tasks'), {@code RowFormat} (the files') and {@code
 * BatchFiller} (the readers').
 *
 * <p>A shard directory holds {@code manifest.json}, written last, and the files it names under
 * {@code train/} and {@code validation/}; other files there do not count. No column holds nulls.
 *
 * <p>The column {@code tokens} is FixedSizeList&lt;int32&gt;[context + 1]: row i of a stream of
 * tokens covers tokens {@code [i·context, i·context + context]}, so that neighbours share one token
 * and every token but the first is a target once. The column {@code image} is {@code
 * arrow.fixed_shape_tensor} of uint8 or float32 with the shape (height, width, channels), {@code
 * label} beside it int32.
 *
 * <p>Imports {@code data}, {@code tensor} for the memory of batches, {@code spark.data}, {@code
 * spark.text}, {@code spark.image}, Spark SQL, Arrow, Jackson and Hadoop's file system.
 */
package dev.sparrow.spark.shard;
