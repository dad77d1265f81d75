/**
 * Cores of the {@code bench} suites: they measure and return rows, printing is the command line's.
 * Every ratio is taken within one run against a baseline that is measured beside it.
 */
package dev.sparrow.bench;
