package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.nn.Initializer;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * MegaBlocks' own form of {@link GatedExperts} and {@link PlainExperts}: one block-sparse matrix of
 * hidden activations over all experts. Rows must come in whole blocks per expert: wrap it in {@link
 * PaddedExperts} with {@link Padding#toMultiple}. The reference for fused kernels; it makes a
 * topology each pass and is not meant for speed.
 *
 * <p>All weights are (E·F, width), the output side too.
 */
public final class BlockSparseExperts implements Experts {
  private final Backend backend;
  private final Activation activation;
  private final BlockSparseProducts products;
  private final int experts;
  private final int width;
  private final int hidden;
  private final int block;
  private final Parameter v1; // (E·F, width), the gate; null: plain
  private final Parameter w1; // (E·F, width)
  private final Parameter w2; // (E·F, width)
  private BlockTopology topology;
  private Tensor x; // (P, width), the caller's
  private Tensor g; // (blocks, B, B), null: plain
  private Tensor h; // (blocks, B, B)
  private Tensor a; // (blocks, B, B)
  private Tensor y; // (P, width)
  private Tensor da; // (blocks, B, B), scratch
  private Tensor dx; // (P, width), scratch

  /**
   * @param spec of the input-side matrix of one expert; the parameters are {@code spec.name() +
   *     ".w1.weight"} and so on
   * @param gated whether there is a gate v1
   */
  public BlockSparseExperts(
      Backend backend,
      Activation activation,
      LinearSpec spec,
      int experts,
      boolean gated,
      int block) {
    if (spec.out() % block != 0) {
      throw new IllegalArgumentException(
          "%s: expected hidden columns in multiples of the block %d, got %d"
              .formatted(spec.name(), block, spec.out()));
    }
    this.backend = backend;
    this.activation = activation;
    this.products = new BlockSparseProducts(backend);
    this.experts = experts;
    this.width = spec.in();
    this.hidden = spec.out();
    this.block = block;
    this.v1 = gated ? matrix(spec, "v1") : null;
    this.w1 = matrix(spec, "w1");
    this.w2 = matrix(spec, "w2");
  }

  private Parameter matrix(LinearSpec spec, String role) {
    return Parameter.matrix(
        spec.name() + '.' + role + ".weight",
        Initializer.normal(spec.standardDeviation()),
        Math.multiplyExact(experts, hidden),
        width);
  }

  @Override
  public int count() {
    return experts;
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    if (v1 != null) {
      sink.accept(v1);
    }
    sink.accept(w1);
    sink.accept(w2);
  }

  @Override
  public void reserve(Workspace workspace, int rows) {
    int blocks = (rows + block - 1) / block * (hidden / block);
    g = v1 == null ? null : workspace.keep(blocks, block, block);
    h = workspace.keep(blocks, block, block);
    a = workspace.keep(blocks, block, block);
    y = workspace.keep(rows, width);
    da = workspace.scratch("moe.blocks.da", blocks, block, block);
    dx = workspace.scratch("moe.blocks.dx", rows, width);
  }

  @Override
  public Tensor forward(Tensor x, Plan plan) {
    this.x = x;
    topology = new BlockTopology(plan.startsSync(), hidden, block);
    products.sdd(x, w1.operand(), topology, used(h));
    if (v1 == null) {
      backend.activation().forward(activation, used(h), used(a));
    } else {
      products.sdd(x, v1.operand(), topology, used(g));
      backend.activation().gated(activation, used(g), used(h), used(a));
    }
    Tensor out = y.first(x.rows());
    products.dsd(used(a), w2.operand(), topology, false, out);
    return out;
  }

  // dA = dY·W2ᵀ (SDD), dW2 += Aᵀ·dY (DSD), dW1 += dHᵀ·X (DSD), dX = dH·W1 (DSD)
  @Override
  public Tensor backward(Tensor dy, Plan plan) {
    Tensor out = dx.first(dy.rows());
    products.sdd(dy, w2.operand(), topology, used(da));
    products.dsdTransposed(used(a), dy, topology, w2.gradient());
    if (v1 == null) {
      backend.activation().backward(activation, used(h), used(da), used(h));
    } else {
      backend.activation().gatedBackward(activation, used(g), used(h), used(da), used(g), used(h));
      products.dsdTransposed(used(g), x, topology, v1.gradient());
    }
    products.dsdTransposed(used(h), x, topology, w1.gradient());
    products.dsd(used(h), w1.operand(), topology, false, out);
    if (v1 != null) {
      products.dsd(used(g), v1.operand(), topology, true, out);
    }
    return out;
  }

  private Tensor used(Tensor values) {
    return values.first(topology.blocks());
  }

  /** The topology is made on the host. */
  @Override
  public boolean recordable() {
    return false;
  }

  @Override
  public void describe(int topK, LayerSummary.Sink sink) {
    parameters(
        matrix ->
            sink.row(
                new LayerSummary(
                    matrix.name().replaceFirst("\\.weight$", ""),
                    "%d experts, %d -> %d, block-sparse product".formatted(experts, width, hidden),
                    matrix.size(),
                    matrix.size() * topK / experts,
                    2.0 * topK * width * hidden)));
  }
}
