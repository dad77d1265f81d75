package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.nn.DenseWeight;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.LinearWeight;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.WindowProducts;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.Tensor;

/** A {@link FactorizableWeight} that is one matrix, (out, in). */
final class FactorizableLinearWeight extends FactorizableWeight implements LinearWeight {
  private final Seen seen; // null: nobody will ask for the windows' input
  private LinearWeight form;

  FactorizableLinearWeight(Backend backend, LinearSpec spec) {
    this(backend, spec, false);
  }

  /**
   * @param normalizes of convolutions alone: whether factors are to have a batch normalisation
   *     between them
   */
  FactorizableLinearWeight(Backend backend, LinearSpec spec, boolean normalizes) {
    super(backend, spec, 1, false, normalizes);
    this.seen = normalizes ? new Seen() : null;
    becomeWhole();
  }

  /** The windows of the form, and what they saw last while training: their caller keeps it. */
  private final class Seen implements WindowProducts {
    private ConvShape shape; // null: none yet
    private Tensor x; // (rows, channels)

    @Override
    public boolean takesPixels() {
      return true;
    }

    @Override
    public void forward(ConvShape shape, Tensor x, Pass pass, Tensor y) {
      if (pass.training()) {
        this.shape = shape;
        this.x = x;
      }
      form.windows().forward(shape, x, pass, y);
    }

    @Override
    public void backward(ConvShape shape, Tensor x, Tensor dy, boolean accumulate, Tensor dx) {
      form.windows().backward(shape, x, dy, accumulate, dx);
    }
  }

  @Override
  InnerStatistics innerStatistics(FactorCarry carry) {
    return seen == null || seen.x == null
        ? super.innerStatistics(carry)
        : InnerStatistics.of(backend(), seen.shape, seen.x, carry);
  }

  @Override
  Parameter useWhole() {
    DenseWeight dense = new DenseWeight(backend(), spec());
    form = dense;
    return dense.weight();
  }

  @Override
  void useFactors(Factors next) {
    form = new LowRankWeight(backend(), next);
  }

  @Override
  void reserveForm(Workspace memory, int most) {
    form.reserve(memory, most);
  }

  @Override
  public void forward(Tensor x, Tensor bias, Tensor residual, Tensor y) {
    form.forward(x, bias, residual, y);
  }

  @Override
  public void activatedForward(Activation f, Tensor x, Tensor bias, Tensor h, Tensor y) {
    form.activatedForward(f, x, bias, h, y);
  }

  @Override
  public void backward(Tensor x, Tensor dy, Tensor dbias, boolean accumulate, Tensor dx) {
    form.backward(x, dy, dbias, accumulate, dx);
  }

  @Override
  public void activatedBackward(
      Activation f, Tensor h, Tensor x, Tensor dy, Tensor dbias, Tensor dh) {
    form.activatedBackward(f, h, x, dy, dbias, dh);
  }

  @Override
  public WindowProducts windows() {
    return seen == null || isLowRank() ? form.windows() : seen;
  }

  @Override
  public boolean alwaysHasWindows() {
    return true;
  }

  @Override
  public double forwardFlopsPerRow() {
    return form.forwardFlopsPerRow();
  }
}
