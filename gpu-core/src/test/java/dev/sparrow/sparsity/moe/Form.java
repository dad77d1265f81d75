package dev.sparrow.sparsity.moe;

/** The ways to compute one mixture of experts, which must all agree where nothing is dropped. */
enum Form {
  GROUPED,
  PADDED,
  CAPACITY,
  BLOCK_SPARSE
}
