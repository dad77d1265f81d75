/**
 * What a trainer reads: batches in an order that the seed alone decides, at a position that can be
 * saved and restored. Imports {@code config}, the random draws of {@code backend}, and {@code
 * tensor} for the host memory that a device reads; readers of real formats live in spark-jobs.
 */
package dev.sparrow.data;
