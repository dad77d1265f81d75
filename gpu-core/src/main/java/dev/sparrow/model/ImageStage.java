package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.data.Batch;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Brings images from a host batch to the device, cut into patches, and their labels. Refuses labels
 * that there is no class for.
 */
final class ImageStage {
  private final Backend backend;
  private final PatchGrid grid;
  private final int classes;
  private float[] patches = {}; // (samples, patches, columns) on the host; unused where whole
  private Tensor inputs; // (samples·patches, columns)
  private Tensor labels; // I32 (samples)

  ImageStage(Backend backend, PatchGrid grid, int classes) {
    this.backend = backend;
    this.grid = grid;
    this.classes = classes;
  }

  void reserve(Workspace workspace, int samples) {
    int rows = Math.multiplyExact(samples, grid.count());
    inputs = workspace.keep(rows, grid.columns());
    labels = workspace.keep(DType.I32, samples);
    patches = grid.isWhole() ? patches : new float[Math.multiplyExact(rows, grid.columns())];
  }

  void upload(ImageBatch batch, Pass pass) {
    requireFit(batch, pass);
    requireKnown(batch);
    backend.upload(arranged(batch), 0, inputs(pass));
    backend.upload(batch.labels(), 0, labels(pass));
  }

  private float[] arranged(ImageBatch batch) {
    if (grid.isWhole()) {
      return batch.pixels();
    }
    int size = grid.image().size();
    for (int i = 0; i < batch.samples(); i++) {
      grid.cut(batch.pixels(), i * size, patches, i * size);
    }
    return patches;
  }

  /** (samples·patches, columns) of the batch that {@link #upload} brought. */
  Tensor inputs(Pass pass) {
    return inputs.first(pass.tokens());
  }

  /** I32 (samples). */
  Tensor labels(Pass pass) {
    return labels.first(pass.sequences());
  }

  /** The batch as one of images; another kind is refused. */
  static ImageBatch images(Batch any) {
    if (any instanceof ImageBatch batch) {
      return batch;
    }
    throw new IllegalArgumentException(
        "batch: expected labelled images, got " + any.getClass().getSimpleName());
  }

  private void requireFit(ImageBatch batch, Pass pass) {
    if (!batch.shape().equals(grid.image())) {
      throw new IllegalArgumentException(
          "batch: expected images of %s, got %s".formatted(grid.image(), batch.shape()));
    }
    if (pass.sequences() != batch.samples() || pass.length() != grid.count()) {
      throw new IllegalArgumentException(
          "pass: expected the batch's %d samples of %d patches, got %d of %d"
              .formatted(batch.samples(), grid.count(), pass.sequences(), pass.length()));
    }
    long most = labels == null ? 0 : labels.size();
    if (batch.samples() > most) {
      throw new IllegalArgumentException(
          "batch: expected at most %d samples, got %d; reserve the model for larger micro-batches"
              .formatted(most, batch.samples()));
    }
  }

  private void requireKnown(ImageBatch batch) {
    for (int i = 0; i < batch.samples(); i++) {
      int label = batch.labels()[i];
      if (label < 0 || label >= classes) {
        throw new IllegalArgumentException(
            ("batch: expected class numbers in [0, %d), got %d for sample %d; does the data have"
                    + " the classes that the model was built for?")
                .formatted(classes, label, batch.firstSample() + i));
      }
    }
  }
}
