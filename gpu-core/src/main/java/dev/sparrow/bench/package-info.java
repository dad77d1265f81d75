/**
 * Measurements that the benchmark suites share. Imports {@code backend}, {@code backend.cpu} and
 * {@code tensor}.
 */
package dev.sparrow.bench;
