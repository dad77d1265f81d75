package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.data.ImageShape;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Dropout;
import dev.sparrow.nn.FigureSink;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.LearnedPositions;
import dev.sparrow.nn.Linear;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.SequenceMean;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.Tensor;
import java.util.function.Consumer;

/**
 * A vision transformer (Dosovitskiy et al. 2021): a linear over each patch's pixels, learned
 * positions, pre-norm blocks in which every patch sees every other, a last norm, and the mean over
 * the patches.
 *
 * <p>The mean takes the place of the paper's class token: it classifies as well (Beyer et al. 2022,
 * "Better plain ViT baselines for ImageNet-1k", §3), and sequences keep the length of the grid,
 * which is a multiple of the kernels' tiles for the usual sizes where one more token is not.
 */
final class VisionTransformer implements ImageBody {
  private final ModelShape shape;
  private final PatchGrid grid;
  private final Linear embedding;
  private final LearnedPositions positions;
  private final Dropout dropout;
  private final TransformerStack stack;
  private final SequenceMean mean;
  private final PartParameters inputParameters;
  private Tensor embedded; // (samples·patches, width)

  VisionTransformer(Backend backend, ModelShape shape, ImageShape image, Method method) {
    if (shape.positions() != ModelShape.Positions.LEARNED) {
      throw new IllegalArgumentException("model.positions: expected learned, got rotary");
    }
    this.shape = shape;
    this.grid = PatchGrid.of(image, shape.patch());
    TransformerParts parts = new TransformerParts(backend, shape, grid.count(), false, method);
    LinearSpec spec =
        new LinearSpec("patches", grid.columns(), shape.width(), shape.initialDeviation());
    this.embedding = new Linear("patches", method.linearWeight(spec), shape.bias());
    this.positions = parts.positions();
    this.dropout = parts.dropout("patches");
    this.stack = parts.stack();
    this.mean = new SequenceMean(backend, shape.width());
    this.inputParameters = new PartParameters(this::inputParameters);
  }

  private void inputParameters(Consumer<Parameter> sink) {
    embedding.parameters(sink);
    positions.parameters(sink);
  }

  @Override
  public PatchGrid patches() {
    return grid;
  }

  @Override
  public int width() {
    return shape.width();
  }

  @Override
  public void parameters(Consumer<Parameter> sink) {
    inputParameters(sink);
    stack.parameters(sink);
  }

  @Override
  public void parametersChanged() {
    inputParameters.refresh();
    stack.parametersChanged();
  }

  @Override
  public void buffers(Consumer<Buffer> sink) {
    embedding.buffers(sink);
    stack.buffers(sink);
  }

  @Override
  public boolean recordable() {
    return stack.recordable();
  }

  @Override
  public void reserve(Workspace workspace, int samples) {
    int rows = Math.multiplyExact(samples, grid.count());
    embedding.reserve(workspace, rows);
    embedded = workspace.keep(rows, shape.width());
    stack.reserve(workspace, rows);
    mean.reserve(workspace, samples, grid.count());
  }

  @Override
  public Tensor forward(Tensor x, Pass pass) {
    Tensor e = embedded.first(pass.tokens());
    embedding.forward(x, null, e);
    positions.forward(e, pass.length(), 0);
    return mean.forward(stack.forward(dropout.apply(e, pass, e), pass), pass);
  }

  @Override
  public void backward(Tensor x, Tensor dy, Pass pass, Consumer<Parameter> complete) {
    Tensor dx = stack.backward(mean.backward(dy, pass), pass, complete);
    dropout.apply(dx, pass, dx);
    positions.backward(dx, pass.length());
    embedding.backward(x, dx, false, null);
    inputParameters.complete(complete);
  }

  @Override
  public void figures(FigureSink sink) {
    stack.figures(sink);
  }

  @Override
  public void describe(LayerSummary.Sink sink) {
    LayerSummary.Sink ofImage = row -> sink.row(row.times(grid.count()));
    embedding.describe(ofImage);
    positions.describe(ofImage);
    stack.describe(ofImage);
  }
}
