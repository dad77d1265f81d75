/**
 * Uniformly sparse weights: where their non-zeros may lie, how they are chosen, how a pattern
 * changes while training goes on, and whether a layer multiplies by its non-zeros or as a whole
 * matrix under a mask. Unstructured patterns, for comparison, take the second way. {@link
 * dev.sparrow.sparsity.uniform.UniformMethod} is the way in. Imports {@code backend}, {@code nn},
 * {@code sparsity}, {@code config}, {@code collective}, {@code tensor}.
 */
package dev.sparrow.sparsity.uniform;
