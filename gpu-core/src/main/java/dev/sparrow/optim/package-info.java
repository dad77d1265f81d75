/**
 * Optimizers over the parameter arena, learning rates over the steps, and clipping. Imports {@code
 * tensor}, {@code backend}, {@code nn} and {@code config}.
 */
package dev.sparrow.optim;
