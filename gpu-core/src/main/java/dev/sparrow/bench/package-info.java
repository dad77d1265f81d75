/**
 * Measurements that {@code bench SUITE} prints, each beside a named baseline taken in the same run.
 * Imports any package of gpu-core; nothing imports it.
 */
package dev.sparrow.bench;
