/**
 * Hadoop file systems as gpu-core's file store: checkpoints and run directories on HDFS, S3, disk.
 */
package dev.sparrow.spark.files;
