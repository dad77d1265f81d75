/**
 * Training methods: what makes a network cheap. A {@link dev.sparrow.sparsity.Method} is chosen
 * once, when the model is built, and decides the form of every matrix and feed-forward block.
 * Imports {@code nn}, {@code backend}, {@code tensor}, {@code collective}.
 */
package dev.sparrow.sparsity;
