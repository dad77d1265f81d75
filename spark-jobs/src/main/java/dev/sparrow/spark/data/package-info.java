/**
 * Where a job's rows come from: Spark sources and Arrow files as DataFrames, with errors that name
 * cause and cure. Imports Spark SQL, Arrow and Hadoop's file system, nothing of the project.
 */
package dev.sparrow.spark.data;
