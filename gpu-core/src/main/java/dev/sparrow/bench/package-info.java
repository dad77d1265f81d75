/**
 * Measurements of the product's own parts, each beside a baseline taken in the same run; the {@code
 * bench} command prints their rows. May import everything of this module.
 */
package dev.sparrow.bench;
