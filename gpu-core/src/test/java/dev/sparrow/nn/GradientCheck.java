package dev.sparrow.nn;

import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.Oracle;
import dev.sparrow.backend.RandomValues;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Holds a layer's backward pass against central differences of {@code <forward(x), r>} by its input
 * and every parameter, in double, with parameters that are nowhere 0 or 1. Also that gradients of
 * parameters are added to what is there.
 */
public final class GradientCheck implements AutoCloseable {
  private static final double BEFORE = 0.25;

  private final ReferenceBackend backend = new ReferenceBackend();
  private final Workspace workspace = new Workspace(backend);
  private final long seed;

  public GradientCheck(long seed) {
    this.seed = seed;
  }

  public ReferenceBackend backend() {
    return backend;
  }

  /** Checks every element of the input's and the parameters' gradients. */
  public void check(Layer layer, int in, int out, Pass pass) {
    List<Parameter> parameters = new ArrayList<>();
    layer.parameters(parameters::add);
    ParameterArena arena = parameters.isEmpty() ? null : arena(parameters);
    layer.reserve(workspace, pass.tokens() + 1); // a row more than used: no layer relies on it
    Oracle oracle = new Oracle(backend, seed);
    Tensor x = oracle.normal(pass.tokens(), in);
    Tensor r = oracle.normal(pass.tokens(), out);
    Tensor dy = backend.allocate(pass.tokens(), out);
    backend.elementwise().copy(r, dy);
    layer.forward(x, pass);
    Tensor dx = layer.backward(dy, pass);
    FiniteDifferences differences =
        new FiniteDifferences(() -> FiniteDifferences.dot(layer.forward(x, pass), r))
            .gradient("x", x, dx);
    if (arena != null) {
      subtractBefore(arena);
      parameters.forEach(p -> differences.gradient(p.name(), p.value(), p.gradient()));
    }
    differences.allElements().check();
  }

  /** Parameters drawn from N(0, 0.5²), gradients that are not 0 to begin with. */
  ParameterArena arena(List<Parameter> parameters) {
    ParameterArena arena = new ParameterArena(backend, parameters);
    float[] start = new RandomValues(seed + 1).normal((int) arena.size());
    backend.upload(start, 0, arena.values());
    backend.elementwise().scale(0.5, arena.values(), arena.values());
    backend.elementwise().fill(arena.gradients(), BEFORE);
    return arena;
  }

  /** Takes away what the gradients held before the backward pass. */
  void subtractBefore(ParameterArena arena) {
    Tensor before = backend.allocate((int) arena.size());
    backend.elementwise().fill(before, BEFORE);
    backend.elementwise().axpy(-1, before, arena.gradients());
  }

  Workspace workspace() {
    return workspace;
  }

  @Override
  public void close() {
    backend.close();
  }
}
