package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.PatternLayout;
import dev.sparrow.config.RunConfig;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.moe.MoeMethod;
import dev.sparrow.sparsity.uniform.UniformMethod;
import java.util.Map;

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
   * How the patterns of the run's sparse weights are laid out, by the names of the weights; none
   * where no method makes them sparse.
   */
  public static Map<String, PatternLayout> patternLayouts(RunConfig config, int vocabulary) {
    if (!config.method().isUniform()) {
      return Map.of();
    }
    try (Backend backend = new SizeOnlyBackend(ModelSummary.Device.CPU)) {
      Method method = method(backend, config);
      languageModel(backend, config, vocabulary, method);
      return method.patternLayouts();
    }
  }

  /** The training method that {@code method.name} asks for, for one model. */
  public static Method method(Backend backend, RunConfig config) {
    Method matrices =
        config.method().isUniform()
            ? new UniformMethod(
                backend, config.uniform(), config.train().steps(), config.train().seed())
            : new DenseMethod(backend);
    return config.method().mixesExperts()
        ? new MoeMethod(backend, config.moe(), config.model(), matrices)
        : matrices;
  }
}
