/**
 * What a trainer reads: batches in an order that the seed alone decides, at a position that can be
 * saved and restored. Imports {@code config} and the random draws of {@code backend}; readers of
 * real formats live in spark-jobs.
 */
package dev.sparrow.data;
