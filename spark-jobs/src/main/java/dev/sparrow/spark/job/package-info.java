/**
 * The jobs that a user starts: shard, train, evaluate, predict, generate, export, inspect. Each
 * takes a session and a {@code RunConfig} and returns a value; printing and exit codes are the
 * command line's.
 */
package dev.sparrow.spark.job;
