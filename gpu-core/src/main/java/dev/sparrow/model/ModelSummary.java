package dev.sparrow.model;

import dev.sparrow.backend.Backend;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.ImageShape;
import dev.sparrow.nn.LayerSummary;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * What a model is and takes, before anything is run: the content of {@code inspect}. Bytes are
 * those of one rank; activations are what the layers really reserve, on a backend without memory.
 *
 * @param layers a row per part, in forward order
 * @param parameters all trained elements; a shared one counts once
 * @param activeParameters those that one token, or one image, meets
 * @param unit what FLOPs are counted for: one token, or one sample
 * @param forwardFlops of matrix products, multiply and add counted as two, attention over the
 *     average causal length; a training step takes three times that
 * @param weightBytes the copy that products read counted too
 * @param optimizerBytes of the optimizer's state
 * @param activationBytes for {@code samples} samples
 * @param samples of one micro-batch
 */
public record ModelSummary(
    List<LayerSummary> layers,
    long parameters,
    long activeParameters,
    Unit unit,
    double forwardFlops,
    long weightBytes,
    long gradientBytes,
    long optimizerBytes,
    long activationBytes,
    int samples) {

  /**
   * What a model's memory depends on: see {@link Backend#computeType} and the methods beside it.
   */
  public enum Device {
    CPU(DType.F32, 1),
    GPU(DType.BF16, 64);

    private final DType computeType;
    private final int columnMultiple;

    Device(DType computeType, int columnMultiple) {
      this.computeType = computeType;
      this.columnMultiple = columnMultiple;
    }

    public DType computeType() {
      return computeType;
    }

    public int columnMultiple() {
      return columnMultiple;
    }
  }

  /** All of a rank's memory. */
  public long bytes() {
    return weightBytes + gradientBytes + optimizerBytes + activationBytes;
  }

  /** Multiply and add counted as two; backward is twice forward. */
  public double trainingFlops() {
    return 3 * forwardFlops;
  }

  /**
   * Builds a language model without memory and measures it.
   *
   * @param vocabulary token ids are below it
   * @param samples of one micro-batch
   */
  public static ModelSummary of(RunConfig config, int vocabulary, int samples, Device device) {
    return of(config, vocabulary, samples, device, Map.of());
  }

  /**
   * The same of a saved one.
   *
   * @param saved shapes of the file's tensors by name; empty: there is no file
   */
  public static ModelSummary of(
      RunConfig config, int vocabulary, int samples, Device device, Map<String, Shape> saved) {
    return of(
        config,
        (backend, method) -> Models.languageModel(backend, config, vocabulary, method),
        samples,
        device,
        saved);
  }

  /**
   * Builds an image classifier without memory and measures it.
   *
   * @param classes labels are below it
   * @param samples of one micro-batch
   */
  public static ModelSummary of(
      RunConfig config, ImageShape image, int classes, int samples, Device device) {
    return of(config, image, classes, samples, device, Map.of());
  }

  /**
   * The same of a saved one.
   *
   * @param saved shapes of the file's tensors by name; empty: there is no file
   */
  public static ModelSummary of(
      RunConfig config,
      ImageShape image,
      int classes,
      int samples,
      Device device,
      Map<String, Shape> saved) {
    return of(
        config,
        (backend, method) -> Models.imageClassifier(backend, config, image, classes, method),
        samples,
        device,
        saved);
  }

  private static ModelSummary of(
      RunConfig config,
      BiFunction<Backend, Method, Model> build,
      int samples,
      Device device,
      Map<String, Shape> saved) {
    try (Backend backend = new SizeOnlyBackend(device)) {
      Method method = Models.method(backend, config);
      Model model = build.apply(backend, method);
      if (saved.isEmpty()) {
        method.foresee();
      } else {
        method.fit(saved);
      }
      return of(model, config.optimizer(), samples, backend);
    }
  }

  private static ModelSummary of(
      Model model, OptimizerSettings optimizer, int samples, Backend backend) {
    List<LayerSummary> layers = new ArrayList<>();
    model.describe(layers::add);
    Workspace workspace = new Workspace(backend);
    model.reserve(workspace, samples);
    long parameters = elements(model);
    ParameterArena arena = new ParameterArena(backend, model.parameters());
    long gradientBytes = arena.gradients().bytes();
    long operandBytes = arena.weights().copy() == null ? 0 : arena.weights().copy().bytes();
    return new ModelSummary(
        List.copyOf(layers),
        parameters,
        layers.stream().mapToLong(LayerSummary::activeParameters).sum(),
        model.unit(),
        layers.stream().mapToDouble(LayerSummary::forwardFlops).sum(),
        arena.values().bytes() + operandBytes,
        gradientBytes,
        gradientBytes * states(optimizer),
        workspace.bytes(),
        samples);
  }

  private static long elements(Model model) {
    Set<Parameter> distinct = new LinkedHashSet<>(model.parameters());
    return distinct.stream().mapToLong(Parameter::size).sum();
  }

  /** Values that the optimizer keeps beside each weight: two moments, or one momentum. */
  private static int states(OptimizerSettings optimizer) {
    return optimizer.name() == OptimizerSettings.Kind.ADAMW ? 2 : 1;
  }
}
