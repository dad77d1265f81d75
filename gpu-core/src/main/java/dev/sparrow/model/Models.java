package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.RunConfig;
import dev.sparrow.sparsity.DenseMethod;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.moe.MoeMethod;

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

  /** The training method that {@code method.name} asks for, for one model. */
  public static Method method(Backend backend, RunConfig config) {
    String name = config.method().name();
    Method dense = new DenseMethod(backend);
    return switch (name) {
      case "dense" -> dense;
      case "moe" -> new MoeMethod(backend, config.moe(), config.model(), dense);
      default ->
          throw new IllegalArgumentException("method.name: expected dense or moe, got " + name);
    };
  }
}
