package dev.sparrow.bench;

import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What {@link ResNetGpuRun} is asked for.
 *
 * @param data folder with train.bin and test.bin
 * @param epochs passes over the training images
 * @param json file of the outcomes; null: none
 * @param settings of all modes, {@code key=value}, over those of the recipe
 */
record ResNetOptions(
    Path data,
    int epochs,
    int batch,
    long seed,
    List<ResNetMode> modes,
    Path json,
    double learningRate,
    List<String> settings) {
  static final String USAGE =
      "DATA_FOLDER [--epochs N] [--batch N] [--seed N] [--modes full,cuttlefish] [--json FILE] [--learning-rate X] [--set KEY=VALUE]...";

  /**
   * As cuttlefish-resnet18.conf of spark-jobs has it: batch, rates and decay of Wang et al. (2023),
   * warm-up over a sixth of the steps, a tenth of the rate after half and three quarters.
   */
  private static final String RECIPE =
      """
      image { crop-padding = 4, flip = true }
      train { log-every = 1, validate-every = 0 }
      checkpoint { every = 0 }
      model { kind = "resnet", depth = 18, width = 64 }
      optimizer { name = "sgd", momentum = 0.9, weight-decay = 1e-4, clip-norm = 0 }
      schedule { name = "step", step-factor = 0.1 }
      """;

  ResNetOptions {
    modes = List.copyOf(modes);
    settings = List.copyOf(settings);
    if (epochs < 1 || batch < 1) {
      throw new IllegalArgumentException(
          "--epochs, --batch: expected 1 or more, got %d and %d".formatted(epochs, batch));
    }
  }

  /** Throws {@link IllegalArgumentException} with a line of cause. */
  static ResNetOptions parse(String... arguments) {
    if (arguments.length == 0 || arguments.length % 2 == 0) {
      throw new IllegalArgumentException(
          "expected " + USAGE + ", got " + String.join(" ", arguments));
    }
    int epochs = 30;
    int batch = 1024;
    long seed = 1;
    double learningRate = 0.8;
    List<ResNetMode> modes = List.of(ResNetMode.FULL, ResNetMode.CUTTLEFISH);
    Path json = null;
    List<String> settings = new ArrayList<>();
    for (int i = 1; i < arguments.length; i += 2) {
      String value = arguments[i + 1];
      switch (arguments[i]) {
        case "--epochs" -> epochs = Integer.parseInt(value);
        case "--batch" -> batch = Integer.parseInt(value);
        case "--seed" -> seed = Long.parseLong(value);
        case "--modes" -> modes = ResNetMode.of(value);
        case "--json" -> json = Path.of(value);
        case "--learning-rate" -> learningRate = Double.parseDouble(value);
        case "--set" -> settings.add(value);
        default ->
            throw new IllegalArgumentException("expected " + USAGE + ", got " + arguments[i]);
      }
    }
    return new ResNetOptions(
        Path.of(arguments[0]), epochs, batch, seed, modes, json, learningRate, settings);
  }

  /**
   * @param stepsPerEpoch whole batches of the training images
   */
  RunConfig config(ResNetMode mode, long stepsPerEpoch) {
    long steps = epochs * stepsPerEpoch;
    List<String> all = new ArrayList<>(mode.settings());
    all.add("train.batch=" + batch);
    all.add("train.seed=" + seed);
    all.add("train.steps=" + steps);
    all.add("optimizer.learning-rate=" + learningRate);
    all.add("schedule.warmup-steps=" + steps / 6);
    long half = Math.max(1, steps / 2);
    all.add("schedule.milestones=[%d, %d]".formatted(half, Math.max(half + 1, steps * 3 / 4)));
    all.addAll(settings);
    return ConfigParser.parse(RECIPE, "resnet18", all);
  }
}
