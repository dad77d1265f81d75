package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.tensor.Tensor;

/**
 * The products of Gale et al. 2022, §5.1, block by block: S is sparse, its values (blocks, B, B) in
 * the order of the {@link BlockTopology}; D is dense. Weights are stored (E·F, width), so that
 * block column c meets rows [c·B, (c+1)·B). Plain loops of small products, the reference for
 * kernels that do it at once.
 */
final class BlockSparseProducts {
  private final Backend backend;

  BlockSparseProducts(Backend backend) {
    this.backend = backend;
  }

  /** {@code h = x·wᵀ} at the blocks of the topology: x (P, width), w (E·F, width). */
  void sdd(Tensor x, Tensor w, BlockTopology topology, Tensor h) {
    for (int i = 0; i < topology.blocks(); i++) {
      Tensor rows = band(x, topology.rowIndices()[i], topology);
      Tensor columns = band(w, topology.columnIndices()[i], topology);
      backend.matmul().forward(rows, columns, null, null, value(h, i, topology));
    }
  }

  /** {@code y = h·w}, or {@code +=} with accumulate: y (P, width), w (E·F, width). */
  void dsd(Tensor h, Tensor w, BlockTopology topology, boolean accumulate, Tensor y) {
    for (int r = 0; r < topology.rows(); r++) {
      int first = topology.offsets()[r];
      for (int i = first; i < topology.offsets()[r + 1]; i++) {
        Tensor columns = band(w, topology.columnIndices()[i], topology);
        boolean add = accumulate || i > first;
        backend.matmul().backwardInput(value(h, i, topology), columns, add, band(y, r, topology));
      }
    }
  }

  /** {@code dw += hᵀ·dy} over the transposed topology: dy (P, width), dw (E·F, width). */
  void dsdTransposed(Tensor h, Tensor dy, BlockTopology topology, Tensor dw) {
    for (int c = 0; c < topology.allColumns(); c++) {
      for (int s = topology.transposedOffsets()[c]; s < topology.transposedOffsets()[c + 1]; s++) {
        int i = topology.transposedBlocks()[s];
        Tensor rows = band(dy, topology.rowIndices()[i], topology);
        backend.matmul().backwardWeight(value(h, i, topology), rows, band(dw, c, topology), null);
      }
    }
  }

  private static Tensor band(Tensor dense, int i, BlockTopology topology) {
    return dense.slice(i * topology.block(), topology.block());
  }

  private static Tensor value(Tensor sparse, int i, BlockTopology topology) {
    return sparse.slice(i, 1).reshape(topology.block(), topology.block());
  }
}
