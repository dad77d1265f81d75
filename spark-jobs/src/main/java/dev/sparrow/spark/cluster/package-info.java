/**
 * How ranks run on Spark: slots, GPUs, the barrier stage and its retries, the rendezvous, and the
 * messages that ranks send the driver. Knows nothing of models or training.
 */
package dev.sparrow.spark.cluster;
