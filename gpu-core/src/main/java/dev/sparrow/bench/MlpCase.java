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
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A perceptron of two hidden layers of 1024 columns and 10 classes to measure.
 *
 * @param image what it reads
 * @param uniform how the hidden layers become sparse; null: dense
 * @param steps of the whole run
 */
record MlpCase(String name, ImageShape image, Uniform uniform, int steps) {
  private static final int CLASSES = 10;
  private static final List<Integer> HIDDEN = List.of(1024, 1024);

  /** Images of a step. */
  static final int BATCH = 256;

  private static final String LAYERS = "layers.*";
  private static final String SMALL_NAME = "mlp-784";
  private static final String LARGE_NAME = "mlp-3072";
  private static final ImageShape SMALL_IMAGE = new ImageShape(28, 28, 1);
  private static final ImageShape LARGE_IMAGE = new ImageShape(32, 32, 3);

  /** Images of MNIST's size. */
  static final List<MlpCase> SMALL = steady(SMALL_NAME, SMALL_IMAGE);

  /** Images of CIFAR's size. */
  static final List<MlpCase> LARGE = steady(LARGE_NAME, LARGE_IMAGE);

  /** The dense one first, then patterns that never change, nine of ten weights zero. */
  private static List<MlpCase> steady(String name, ImageShape image) {
    return List.of(
        new MlpCase(name, image, null, 1),
        new MlpCase(name + "-90", image, LmCase.uniform(Uniform.Format.UNIFORM, 1, LAYERS), 1),
        new MlpCase(name + "-90-g4", image, LmCase.uniform(Uniform.Format.GROUP, 4, LAYERS), 1));
  }

  /** Whole runs over images of MNIST's size, see {@link #runs(String, ImageShape, int)}. */
  static List<MlpCase> smallRuns(int steps) {
    return runs(SMALL_NAME, SMALL_IMAGE, steps);
  }

  /** Whole runs over images of CIFAR's size, see {@link #runs(String, ImageShape, int)}. */
  static List<MlpCase> largeRuns(int steps) {
    return runs(LARGE_NAME, LARGE_IMAGE, steps);
  }

  /** The dense one first; then both schedules to each share of zeros, products as times decide. */
  private static List<MlpCase> runs(String name, ImageShape image, int steps) {
    List<MlpCase> cases = new ArrayList<>();
    cases.add(new MlpCase(name + "-run", image, null, steps));
    for (Uniform.Schedule schedule : List.of(Uniform.Schedule.STATIC, Uniform.Schedule.GRADUAL)) {
      for (int percent : new int[] {50, 75, 90}) {
        String kind = schedule == Uniform.Schedule.STATIC ? "static" : "gradual";
        Uniform uniform = LmCase.uniform(Uniform.Format.UNIFORM, 1, LAYERS);
        cases.add(
            new MlpCase(
                name + "-" + kind + "-" + percent,
                image,
                timed(uniform, schedule, percent / 100.0),
                steps));
      }
    }
    return cases;
  }

  private static Uniform timed(Uniform same, Uniform.Schedule schedule, double sparsity) {
    return new Uniform(
        schedule,
        sparsity,
        same.distribution(),
        same.format(),
        same.groupRows(),
        same.bankColumns(),
        same.layers(),
        same.except(),
        same.beginStep(),
        same.endStep(),
        same.updateEvery(),
        same.dropFraction(),
        same.ablation(),
        Uniform.Products.TIMED);
  }

  WholeStep step(Backend backend) {
    Method method =
        uniform == null ? new DenseMethod(backend) : new UniformMethod(backend, uniform, steps, 0);
    ImageClassifier model = new ImageClassifier(backend, shape(), image, CLASSES, method);
    return new WholeStep(backend, model, method, batch());
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
