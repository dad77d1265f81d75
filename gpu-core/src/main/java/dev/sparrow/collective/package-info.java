/**
 * Sums and broadcasts between the ranks of one job. Imports {@code tensor} and the array access of
 * {@code backend.cpu}; knows nothing of Spark: addresses and the secret come from outside.
 */
package dev.sparrow.collective;
