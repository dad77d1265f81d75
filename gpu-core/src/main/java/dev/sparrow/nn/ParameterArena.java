package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * One buffer for all weights and one for all gradients, so that all-reduce, norm and optimizer run
 * over long vectors. Parameters lie in the order of the forward pass: backward completes gradients
 * from the end of the arena to its start.
 */
public final class ParameterArena implements AutoCloseable {
  /**
   * Neighbouring parameters that share their weight-decay setting.
   *
   * @param start first element in the arena
   */
  public record Segment(long start, int length, boolean decay) {}

  private final Backend backend;
  private final List<Parameter> parameters;
  private final long[] starts;
  private final Tensor values;
  private final Tensor gradients;
  private final List<Segment> segments;

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
      starts[i + 1] = starts[i] + parameters.get(i).size();
    }
    int total = Math.toIntExact(starts[parameters.size()]);
    this.values = backend.allocate(total);
    this.gradients = backend.allocate(total);
    this.segments = segments();
    bindAll();
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

  private void bindAll() {
    for (int i = 0; i < parameters.size(); i++) {
      Parameter parameter = parameters.get(i);
      parameter.bind(window(values, i), window(gradients, i));
    }
  }

  private Tensor window(Tensor buffer, int i) {
    Shape shape = parameters.get(i).shape();
    return new Tensor(buffer.storage(), buffer.offset() + starts[i], shape);
  }

  private List<Segment> segments() {
    List<Segment> found = new ArrayList<>();
    int i = 0;
    while (i < parameters.size()) {
      int first = i;
      boolean decay = parameters.get(i).decay();
      while (i < parameters.size() && parameters.get(i).decay() == decay) {
        i++;
      }
      found.add(new Segment(starts[first], (int) (starts[i] - starts[first]), decay));
    }
    return List.copyOf(found);
  }

  /** Draws every parameter's start; the same bits on every rank. */
  public void initialize(long seed) {
    for (Parameter parameter : parameters) {
      Initializer initializer = parameter.initializer();
      float[] host = new float[Math.toIntExact(parameter.size())];
      if (initializer.standardDeviation() == 0) {
        Arrays.fill(host, (float) initializer.mean());
      } else {
        draw(new RandomKey(seed, RandomKey.streamOf(parameter.name())), initializer, host);
      }
      backend.upload(host, 0, parameter.value());
    }
  }

  private static void draw(RandomKey key, Initializer initializer, float[] out) {
    Philox.normals(key, 0, out, 0, out.length);
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) (initializer.mean() + initializer.standardDeviation() * out[i]);
    }
  }

  /** Distinct parameters in arena order. */
  public List<Parameter> parameters() {
    return parameters;
  }

  /** First element of a parameter in the arena. */
  public long start(Parameter parameter) {
    return starts[parameters.indexOf(parameter)];
  }

  /** Elements of all parameters. */
  public long size() {
    return values.size();
  }

  /** All weights as one vector. */
  public Tensor values() {
    return values;
  }

  /** All gradients as one vector. */
  public Tensor gradients() {
    return gradients;
  }

  /** Runs of equal weight decay, in arena order, covering it. */
  public List<Segment> decaySegments() {
    return segments;
  }

  public void zeroGradients() {
    backend.elementwise().fill(gradients, 0);
  }

  @Override
  public void close() {
    backend.free(values);
    backend.free(gradients);
  }
}
