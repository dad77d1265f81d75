/**
 * Automatic low-rank training (Wang et al., "Cuttlefish: Low-Rank Model Training without All the
 * Tuning", MLSys 2023): a model starts with whole matrices, the stable rank of each is watched, and
 * once they have settled each matrix W (out, in) gives way to factors U (out, rank) and V (rank,
 * in) with {@code W ≈ U·V}. Imports {@code nn}, {@code backend}, {@code tensor}, {@code
 * collective}, {@code config}, and of {@code backend.cpu} the linear algebra of the host.
 */
package dev.sparrow.sparsity.lowrank;
