/**
 * Dropless mixture of experts (MegaBlocks, Gale et al. 2022) and the two forms that it is measured
 * against: a capacity factor that drops tokens, and padding to the largest load. Imports {@code
 * nn}, {@code sparsity}, {@code config}'s value types, {@code backend}, {@code tensor}, {@code
 * collective}.
 *
 * <p>Notation: T tokens of a micro-batch, E experts, k experts a token, P = T·k assignments, "rows"
 * the assignments sorted by expert. Loads and offsets are known on the host after {@link
 * dev.sparrow.sparsity.moe.Dispatch#plan}.
 */
package dev.sparrow.sparsity.moe;
