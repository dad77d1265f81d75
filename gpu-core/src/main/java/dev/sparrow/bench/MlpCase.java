package dev.sparrow.bench;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.Backend;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.Uniform;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageShape;
import dev.sparrow.model.ImageClassifier;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.uniform.UniformMethod;
import java.util.List;
import java.util.Random;

/**
 * A perceptron of two hidden layers of 1024 columns and 10 classes to measure.
 *
 * @param image what it reads
 * @param format of the hidden layers' patterns, nine of ten weights zero; null: dense
 */
record MlpCase(String name, ImageShape image, Uniform.Format format) {
  private static final int CLASSES = 10;
  private static final List<Integer> HIDDEN = List.of(1024, 1024);

  /** Images of a step. */
  static final int BATCH = 256;

  /** Images of MNIST's size. */
  static final List<MlpCase> SMALL = cases("mlp-784", new ImageShape(28, 28, 1));

  /** Images of CIFAR's size. */
  static final List<MlpCase> LARGE = cases("mlp-3072", new ImageShape(32, 32, 3));

  /** The dense one first. */
  private static List<MlpCase> cases(String name, ImageShape image) {
    return List.of(
        new MlpCase(name, image, null),
        new MlpCase(name + "-90", image, Uniform.Format.UNIFORM),
        new MlpCase(name + "-90-g4", image, Uniform.Format.GROUP));
  }

  WholeStep step(Backend backend) {
    Method method =
        format == null ? new DenseMethod(backend) : new UniformMethod(backend, uniform(), 1, 0);
    ImageClassifier model = new ImageClassifier(backend, shape(), image, CLASSES, method);
    return new WholeStep(backend, model, batch());
  }

  private Uniform uniform() {
    return LmCase.uniform(format, "layers.*");
  }

  private static ModelShape shape() {
    return new ModelShape(
        ModelShape.Kind.MLP,
        1,
        1,
        1,
        0,
        1,
        ModelShape.Positions.LEARNED,
        10000,
        ModelShape.NormKind.LAYER,
        1e-5,
        Activation.RELU,
        false,
        true,
        false,
        0,
        0.02,
        HIDDEN,
        1,
        8);
  }

  private ImageBatch batch() {
    ImageBatch batch = new ImageBatch(BATCH, image);
    Random random = new Random(0);
    for (int i = 0; i < batch.pixels().length; i++) {
      batch.pixels()[i] = (float) random.nextGaussian();
    }
    for (int i = 0; i < BATCH; i++) {
      batch.labels()[i] = random.nextInt(CLASSES);
    }
    batch.filled(BATCH, 0);
    return batch;
  }
}
