package dev.sparrow.train;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.Batch;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.data.EpochsInMemory;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageRows;
import dev.sparrow.data.ImageShape;
import dev.sparrow.data.ImageTransform;
import dev.sparrow.data.SweepInMemory;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.HostInts;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import java.util.function.IntFunction;

/** Noisy grey images of horizontal stripes, vertical stripes and checks, of either phase. */
final class StripesTask implements ToyTask {
  static final ImageShape IMAGE = new ImageShape(8, 8, 1);
  static final int CLASSES = 3;
  static final int VALIDATION = 37;
  private static final int TRAINING = 120;
  private static final float[] MEAN = {0.5f};
  private static final float[] DEVIATION = {0.25f};

  private static ImageRows rows(long seed, int count, ImageTransform transform) {
    Random random = new Random(seed);
    byte[] pixels = new byte[count * IMAGE.size()];
    int[] labels = new int[count];
    for (int row = 0; row < count; row++) {
      labels[row] = random.nextInt(CLASSES);
      int phase = random.nextInt(2);
      for (int i = 0; i < IMAGE.size(); i++) {
        int y = i / IMAGE.width();
        int x = i % IMAGE.width();
        int stripe = labels[row] == 0 ? y : labels[row] == 1 ? x : x + y;
        int level = (stripe + phase) % 2 == 0 ? 170 : 85;
        pixels[row * IMAGE.size() + i] = (byte) (level + random.nextInt(121) - 60);
      }
    }
    return new ImageRows(ByteBuffer.wrap(pixels), labels, IMAGE, transform);
  }

  @Override
  public Model model(Backend backend, RunConfig config, Method method) {
    return Models.imageClassifier(backend, config, IMAGE, CLASSES, method);
  }

  @Override
  public BatchSource train(RunConfig config, BatchPlan plan, IntFunction<HostInts> memory) {
    long seed = config.train().seed();
    ImageTransform transform =
        ImageTransform.training(IMAGE, MEAN, DEVIATION, config.image(), seed);
    return new EpochsInMemory<>(rows(1, TRAINING, transform), plan, seed, true);
  }

  @Override
  public BatchSource validation(RunConfig config, BatchPlan plan, IntFunction<HostInts> memory) {
    ImageTransform transform = ImageTransform.evaluation(IMAGE, MEAN, DEVIATION);
    return new SweepInMemory<>(rows(2, VALIDATION, transform), plan);
  }

  @Override
  public int hash(Batch batch, int row) {
    float[] pixels = ((ImageBatch) batch).pixels();
    return Arrays.hashCode(
        Arrays.copyOfRange(pixels, row * IMAGE.size(), (row + 1) * IMAGE.size()));
  }
}
