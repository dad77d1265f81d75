package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.ImageShape;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.lowrank.CuttlefishMethod;
import dev.sparrow.sparsity.moe.MoeMethod;
import dev.sparrow.sparsity.uniform.UniformMethod;
import java.util.Map;
import java.util.function.BiConsumer;

/** Builds the model that a run's settings ask for. */
public final class Models {
  private Models() {}

  /**
   * @param vocabulary token ids are below it
   * @param method of {@link #method}, or one of the caller's own
   */
  public static TransformerLm languageModel(
      Backend backend, RunConfig config, int vocabulary, Method method) {
    return new TransformerLm(backend, config.model(), vocabulary, method);
  }

  /**
   * @param image of all images
   * @param classes labels are below it
   * @param method of {@link #method}, or one of the caller's own
   */
  public static ImageClassifier imageClassifier(
      Backend backend, RunConfig config, ImageShape image, int classes, Method method) {
    return new ImageClassifier(backend, config.model(), image, classes, method);
  }

  /**
   * How the patterns of a language model's sparse weights are laid out, by the names of the
   * weights; none where no method makes them sparse.
   */
  public static Map<String, PatternLayout> patternLayouts(RunConfig config, int vocabulary) {
    return patternLayouts(
        config, (backend, method) -> languageModel(backend, config, vocabulary, method));
  }

  /** The same of an image classifier. */
  public static Map<String, PatternLayout> patternLayouts(
      RunConfig config, ImageShape image, int classes) {
    return patternLayouts(
        config, (backend, method) -> imageClassifier(backend, config, image, classes, method));
  }

  private static Map<String, PatternLayout> patternLayouts(
      RunConfig config, BiConsumer<Backend, Method> build) {
    if (!config.method().isUniform()) {
      return Map.of();
    }
    try (Backend backend = new SizeOnlyBackend(ModelSummary.Device.CPU)) {
      Method method = method(backend, config);
      build.accept(backend, method);
      return method.patternLayouts();
    }
  }

  /** The training method that {@code method.name} asks for, for one model. */
  public static Method method(Backend backend, RunConfig config) {
    Method matrices = matrices(backend, config);
    return config.method().mixesExperts()
        ? new MoeMethod(backend, config.moe(), config.model(), matrices)
        : matrices;
  }

  private static Method matrices(Backend backend, RunConfig config) {
    if (config.method().isUniform()) {
      return new UniformMethod(
          backend, config.uniform(), config.train().steps(), config.train().seed());
    }
    return config.method().isCuttlefish()
        ? new CuttlefishMethod(backend, config)
        : new DenseMethod(backend);
  }
}
