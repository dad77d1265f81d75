package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.backend.UpdateSegments;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * One buffer for all weights and one for all gradients, so that all-reduce, norm and optimizer run
 * over long vectors; and, where the backend computes in another type, one for the weights in that
 * type. Parameters lie in the order of the forward pass: backward completes gradients from the end
 * of the arena to its start.
 *
 * <p>Each parameter starts at a multiple of {@link #ALIGNMENT} elements, so that a device moves it
 * in whole cache lines; what lies between two of them is zero and stays so.
 */
public final class ParameterArena implements AutoCloseable {
  /** 128 bytes in the smallest float type. */
  private static final int ALIGNMENT = 64;

  private final Backend backend;
  private final List<Parameter> parameters;
  private final long[] starts;
  private final Tensor values;
  private final Tensor operands; // values itself where the backend computes in its float type
  private final Tensor gradients;
  private final UpdateSegments segments;

  /**
   * Allocates and binds; the weights are zero until {@link #initialize} or a checkpoint sets them.
   *
   * @param declared in forward order; one that is shared may come twice
   */
  public ParameterArena(Backend backend, List<Parameter> declared) {
    this.backend = backend;
    Set<Parameter> distinct = new LinkedHashSet<>(declared);
    this.parameters = List.copyOf(distinct);
    requireDistinctNames();
    this.starts = new long[parameters.size() + 1];
    for (int i = 0; i < parameters.size(); i++) {
      starts[i + 1] = aligned(starts[i] + parameters.get(i).paddedShape().size());
    }
    int total = Math.toIntExact(starts[parameters.size()]);
    this.values = backend.allocate(total);
    this.gradients = backend.allocate(total);
    boolean copies = backend.computeType() != backend.floatType();
    this.operands = copies ? backend.allocate(backend.computeType(), values.shape()) : values;
    this.segments = segments();
    backend.elementwise().fill(values, 0);
    for (int i = 0; i < parameters.size(); i++) {
      parameters.get(i).bind(values, operands, gradients, starts[i]);
    }
  }

  private static long aligned(long elements) {
    return (elements + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  private void requireDistinctNames() {
    Set<String> names = new HashSet<>();
    for (Parameter parameter : parameters) {
      if (!names.add(parameter.name())) {
        throw new IllegalArgumentException(
            "parameters: expected distinct names, got " + parameter.name() + " twice");
      }
    }
  }

  /** Neighbours that share weight decay and learning rate are one segment. */
  private UpdateSegments segments() {
    int count = parameters.size();
    long[] ends = new long[count];
    boolean[] decays = new boolean[count];
    float[] rates = new float[count];
    int segment = -1;
    for (int i = 0; i < count; i++) {
      boolean decay = parameters.get(i).decay();
      float rate = parameters.get(i).learningRateFactor();
      if (segment < 0 || decays[segment] != decay || rates[segment] != rate) {
        segment++;
        decays[segment] = decay;
        rates[segment] = rate;
      }
      ends[segment] = starts[i + 1];
    }
    int segments = segment + 1;
    return new UpdateSegments(
        Arrays.copyOf(ends, segments),
        Arrays.copyOf(decays, segments),
        Arrays.copyOf(rates, segments));
  }

  /** Draws every parameter's start; the same bits on every rank. */
  public void initialize(long seed) {
    for (Parameter parameter : parameters) {
      float[] host = new float[Math.toIntExact(parameter.size())];
      parameter.initializer().fill(seed, parameter.name(), host);
      backend.upload(host, 0, parameter.value());
    }
    publish();
  }

  /**
   * Brings the weights as layers read them up to date. Whoever writes {@link #values} calls this
   * afterwards; the optimizer does the same in its own pass.
   */
  public void publish() {
    if (operands != values) {
      backend.elementwise().copy(values, operands);
    }
  }

  /** Distinct parameters in arena order. */
  public List<Parameter> parameters() {
    return parameters;
  }

  /** Whether the parameter is one of the arena's. */
  public boolean holds(Parameter parameter) {
    return parameters.contains(parameter);
  }

  /** First element of a parameter in the arena. */
  public long start(Parameter parameter) {
    return starts[parameters.indexOf(parameter)];
  }

  /** Elements of the vectors, those between parameters counted too. */
  public long size() {
    return values.size();
  }

  /** Elements of all parameters. */
  public long parameterCount() {
    return parameters.stream().mapToLong(Parameter::size).sum();
  }

  /** All weights as one vector, in the backend's float type. */
  public Tensor values() {
    return values;
  }

  /** All gradients as one vector. */
  public Tensor gradients() {
    return gradients;
  }

  /** What an optimizer's step reads and updates. */
  public OptimizerOps.Weights weights() {
    return new OptimizerOps.Weights(
        gradients, values, operands == values ? null : operands, segments);
  }

  public void zeroGradients() {
    backend.elementwise().fill(gradients, 0);
  }

  @Override
  public void close() {
    backend.free(values);
    backend.free(gradients);
    if (operands != values) {
      backend.free(operands);
    }
  }
}
