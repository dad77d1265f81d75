package dev.sparrow.model;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.RandomValues;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.ModelShape.NormKind;
import dev.sparrow.config.ModelShape.Positions;
import dev.sparrow.config.Moe;
import dev.sparrow.config.Uniform;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageShape;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.moe.MoeMethod;
import dev.sparrow.sparsity.uniform.UniformMethod;
import java.util.List;

/** An image classifier of a few hundred weights with memory and a batch, for tests. */
final class SmallClassifier implements AutoCloseable {
  static final ImageShape IMAGE = new ImageShape(4, 6, 2);
  static final int CLASSES = 5;

  final Backend backend;
  final ImageClassifier model;
  final ParameterArena arena;
  final Workspace workspace;

  /** Bodies, and methods that change their parts. */
  enum Kind {
    MLP("layers.*"),
    SPARSE_MLP("layers.*", "head"),
    LINEAR("head"),
    VIT("blocks.*"),
    SPARSE_VIT("blocks.*", "patches"),
    MOE_VIT("blocks.*"),
    RESNET("stages.*"),
    SPARSE_RESNET("stages.*");

    private final List<String> layers;

    Kind(String... layers) {
      this.layers = List.of(layers);
    }

    ModelShape shape(double dropout) {
      boolean vit = name().endsWith("VIT");
      boolean resnet = name().endsWith("RESNET");
      return new ModelShape(
          vit ? ModelShape.Kind.VIT : resnet ? ModelShape.Kind.RESNET : ModelShape.Kind.MLP,
          2,
          2,
          resnet ? 4 : 8,
          12,
          1,
          Positions.LEARNED,
          10000,
          this == MOE_VIT ? NormKind.RMS : NormKind.LAYER,
          1e-5,
          Activation.GELU,
          this == SPARSE_VIT,
          true,
          true,
          dropout,
          0.3,
          this == LINEAR ? List.of() : List.of(12, 8, 10),
          2,
          8);
    }

    Method method(Backend backend) {
      return switch (this) {
        case SPARSE_MLP, SPARSE_VIT, SPARSE_RESNET -> new UniformMethod(backend, sparse(), 10, 4);
        case MOE_VIT ->
            new MoeMethod(
                backend,
                new Moe(4, 2, 6, 0, Moe.Dispatch.DROPLESS, 1.25, 0, 1, 0, 0, 0, 1),
                shape(0),
                new DenseMethod(backend));
        default -> new DenseMethod(backend);
      };
    }

    private Uniform sparse() {
      return new Uniform(
          Uniform.Schedule.STATIC,
          0.5,
          Uniform.Distribution.UNIFORM,
          Uniform.Format.UNIFORM,
          4,
          4,
          layers,
          List.of(),
          0,
          0,
          1,
          0,
          0,
          Uniform.Products.SPARSE);
    }
  }

  SmallClassifier(Backend backend, Kind kind, double dropout, int samples) {
    this(backend, kind.shape(dropout), kind.method(backend), samples);
  }

  SmallClassifier(Backend backend, ModelShape shape, Method method, int samples) {
    this.backend = backend;
    this.model = new ImageClassifier(backend, shape, IMAGE, CLASSES, method);
    this.arena = new ParameterArena(backend, model.parameters());
    this.workspace = new Workspace(backend);
    model.reserve(workspace, samples);
    arena.initialize(5);
    // Biases and norms away from 0 and 1, so that their terms count.
    float[] values = new float[(int) arena.size()];
    backend.downloadSync(arena.values(), values, 0);
    float[] shift = new RandomValues(6).normal(values.length);
    for (int i = 0; i < values.length; i++) {
      values[i] += 0.1f * shift[i];
    }
    backend.upload(values, 0, arena.values());
  }

  /** Random images and labels; sample numbers from {@code firstSample} on. */
  static ImageBatch batch(int samples, long firstSample) {
    ImageBatch batch = new ImageBatch(samples, IMAGE);
    for (int b = 0; b < samples; b++) {
      float[] pixels = new RandomValues(100 + firstSample + b).normal(IMAGE.size());
      System.arraycopy(pixels, 0, batch.pixels(), b * IMAGE.size(), IMAGE.size());
      batch.labels()[b] = (int) ((firstSample + b * 3) % CLASSES);
    }
    batch.filled(samples, firstSample);
    return batch;
  }

  /** A training pass over the batch, its loss the mean over {@code globalSamples}. */
  Pass pass(ImageBatch batch, int globalSamples) {
    int length = model.length();
    long first = batch.firstSample() * length;
    return new Pass(true, 9, first, batch.samples(), length, 1.0 / globalSamples);
  }

  /** Forward and backward; the mean loss over the batch. */
  double step(ImageBatch batch) {
    model.forwardBackward(batch, pass(batch, batch.samples()), parameter -> {});
    return model.lossSumSync() / batch.samples();
  }

  /** Evaluation; the sum of losses. */
  double evaluate(ImageBatch batch) {
    model.forward(batch, Pass.inference(batch.samples(), model.length()));
    return model.lossSumSync();
  }

  @Override
  public void close() {
    workspace.close();
    arena.close();
    backend.close();
  }
}
