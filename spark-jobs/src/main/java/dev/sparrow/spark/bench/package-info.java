/**
 * Measurements that need Spark, each beside a named baseline of the same run. Imports any package
 * of the project; nothing but the command line imports it.
 */
package dev.sparrow.spark.bench;
