package dev.sparrow.train;

import dev.sparrow.backend.Backend;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.OptimizerSettings;
import dev.sparrow.model.Model;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.optim.Optimizer;
import dev.sparrow.sparsity.Method;
import dev.sparrow.sparsity.ModelChange;
import dev.sparrow.sparsity.ModelChange.Values;
import dev.sparrow.tensor.Tensor;
import java.util.List;

/**
 * A rank's copy of all that training changes: a model, the arena of its weights and gradients, and
 * the optimizer with its state. When a method gives parameters other shapes, arena and optimizer
 * are made anew: ask for them at each use. Owns both until closed.
 */
public final class Replica implements AutoCloseable {
  private final Backend backend;
  private final Model model;
  private final OptimizerSettings settings;
  private ParameterArena arena;
  private Optimizer optimizer;
  private long generation;

  /** Weights are zero until {@link ParameterArena#initialize} or a checkpoint sets them. */
  public Replica(Backend backend, Model model, OptimizerSettings settings) {
    this.backend = backend;
    this.model = model;
    this.settings = settings;
    this.arena = new ParameterArena(backend, model.parameters());
    this.optimizer = Optimizer.of(settings, backend, arena);
  }

  public Backend backend() {
    return backend;
  }

  public Model model() {
    return model;
  }

  public ParameterArena arena() {
    return arena;
  }

  public Optimizer optimizer() {
    return optimizer;
  }

  /** Counts how often the arena was made anew: who holds something of the old one must look. */
  public long generation() {
    return generation;
  }

  /** Makes all anew after the model's parameters took other shapes; nothing is carried over. */
  void rebuild() {
    close(); // first: two of a large model would not fit
    open();
  }

  /** Takes new ones; those before stay the replica's where memory does not hold the new. */
  private void open() {
    ParameterArena next = new ParameterArena(backend, model.parameters());
    try {
      optimizer = Optimizer.of(settings, backend, next);
    } catch (RuntimeException | Error failed) {
      next.close();
      throw failed;
    }
    arena = next;
    generation++;
    model.parametersChanged();
  }

  /**
   * Carries weights and optimizer state over to the parameters that a method put into the model,
   * and tells the method what that took. While shapes change, old and new are held at once. Called
   * by every rank.
   */
  public void apply(Method method, ModelChange change, Collective collective) {
    if (!change.isNone()) {
      long start = System.nanoTime();
      apply(change, collective);
      method.applied(System.nanoTime() - start);
    }
  }

  private void apply(ModelChange change, Collective collective) {
    if (change.keepsShapes()) {
      for (ModelChange.Replacement replacement : change.replacements()) {
        carryInPlace(replacement);
      }
      model.parametersChanged();
    } else {
      carryToNewArena(change);
    }
    if (change.ofRankZero()) {
      collective.broadcast(arena.values(), 0);
      optimizer.state().forEach(state -> collective.broadcast(state.values(), 0));
    }
    arena.publish();
  }

  private void carryInPlace(ModelChange.Replacement replacement) {
    Parameter parameter = replacement.before();
    long start = arena.start(parameter);
    carry(replacement, arena.values(), start, Values.WEIGHTS, arena, arena.values());
    for (Optimizer.State state : optimizer.state()) {
      carry(replacement, state.values(), start, kind(state), arena, state.values());
    }
  }

  private static Values kind(Optimizer.State state) {
    return state.squared() ? Values.SQUARED_MOMENT : Values.MOMENT;
  }

  private void carryToNewArena(ModelChange change) {
    ParameterArena oldArena = arena;
    Optimizer oldOptimizer = optimizer;
    open();
    try {
      copyWhatStays(oldArena, oldArena.values(), arena.values());
      carryAll(change, oldArena, oldArena.values(), Values.WEIGHTS, arena.values());
      for (int i = 0; i < optimizer.state().size(); i++) {
        Tensor from = oldOptimizer.state().get(i).values();
        Tensor to = optimizer.state().get(i).values();
        copyWhatStays(oldArena, from, to);
        carryAll(change, oldArena, from, kind(optimizer.state().get(i)), to);
      }
    } finally {
      oldOptimizer.close();
      oldArena.close();
    }
  }

  private void copyWhatStays(ParameterArena old, Tensor from, Tensor to) {
    for (Parameter parameter : old.parameters()) {
      if (arena.holds(parameter)) {
        int size = Math.toIntExact(parameter.size());
        Tensor source = from.window(old.start(parameter), size);
        backend.elementwise().copy(source, to.window(arena.start(parameter), size));
      }
    }
  }

  private void carryAll(
      ModelChange change, ParameterArena old, Tensor from, Values kind, Tensor to) {
    for (ModelChange.Replacement replacement : change.replacements()) {
      long start = old.start(replacement.before());
      carry(replacement, from, start, kind, arena, to);
    }
  }

  private void carry(
      ModelChange.Replacement replacement,
      Tensor from,
      long start,
      Values kind,
      ParameterArena target,
      Tensor to) {
    int size = Math.toIntExact(replacement.before().size());
    if (replacement.inPlace() != null) { // in a new arena, too, what stays has been copied
      replacement.inPlace().accept(to.window(target.start(replacement.before()), size));
      return;
    }
    float[] values = new float[size];
    backend.downloadSync(from.window(start, size), values, 0);
    List<float[]> carried = replacement.carry().carry(values, kind);
    for (int i = 0; i < carried.size(); i++) {
      Parameter parameter = replacement.after().get(i);
      requireSize(parameter, carried.get(i));
      Tensor window = to.window(target.start(parameter), Math.toIntExact(parameter.size()));
      backend.upload(carried.get(i), 0, window);
    }
  }

  private static void requireSize(Parameter parameter, float[] values) {
    if (values.length != parameter.size()) {
      throw new IllegalStateException(
          "change of " + parameter + ": expected that many values, got " + values.length);
    }
  }

  @Override
  public void close() {
    if (optimizer != null) {
      optimizer.close();
      arena.close();
    }
    optimizer = null;
    arena = null;
  }
}
