/**
 * Uniformly sparse weights: where their non-zeros may lie, how they are chosen, and how a pattern
 * changes while training goes on. {@link dev.sparrow.sparsity.uniform.UniformMethod} is the way in.
 * Imports {@code backend}, {@code nn}, {@code sparsity}, {@code config}, {@code collective}, {@code
 * tensor}.
 */
package dev.sparrow.sparsity.uniform;
