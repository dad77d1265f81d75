package dev.sparrow.train;

import dev.sparrow.backend.Backend;
import dev.sparrow.checkpoint.Checkpoint;
import dev.sparrow.checkpoint.CheckpointContent;
import dev.sparrow.checkpoint.CheckpointState;
import dev.sparrow.checkpoint.HostTensor;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.checkpoint.NamedTensor;
import dev.sparrow.collective.Collective;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.optim.Optimizer;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * All tensors that a run is continued from, by the names that they have in files: weights and
 * buffers as in the model, optimizer state as {@code exp_avg.<parameter>}.
 */
final class RunState {
  private final Backend backend;
  private final ParameterArena arena;
  private final List<Buffer> buffers;
  private final List<Optimizer.State> optimizer;

  RunState(TrainerParts parts) {
    this.backend = parts.backend();
    this.arena = parts.arena();
    this.buffers = parts.model().buffers();
    this.optimizer = parts.optimizer().state();
  }

  /** Sets weights and buffers from a file, which must fit. */
  void load(ModelFile model) {
    model.load(backend, ModelTensors.of(arena, buffers));
  }

  /** Sets the optimizer's state from a checkpoint, which must fit. */
  void loadOptimizer(Checkpoint checkpoint) {
    List<NamedTensor> states = new ArrayList<>();
    for (Optimizer.State state : optimizer) {
      for (Parameter parameter : arena.parameters()) {
        Tensor window =
            state.values().window(arena.start(parameter), Math.toIntExact(parameter.size()));
        states.add(
            new NamedTensor(name(state, parameter), window.reshape(parameter.shape().toArray())));
      }
    }
    checkpoint.loadOptimizer(backend, states);
  }

  private static String name(Optimizer.State state, Parameter parameter) {
    return state.name() + "." + parameter.name();
  }

  /** Gives all ranks rank 0's tensors. */
  void broadcast(Collective collective) {
    collective.broadcast(arena.values(), 0);
    arena.publish();
    optimizer.forEach(state -> collective.broadcast(state.values(), 0));
    buffers.forEach(buffer -> collective.broadcast(buffer.value(), 0));
  }

  /** Host arrays for {@link Snapshot#capture}, taken once. */
  Snapshot snapshot() {
    return new Snapshot();
  }

  /**
   * A copy of the state in host memory, from which a checkpoint is written while training goes on.
   */
  final class Snapshot {
    private final float[] weights = new float[Math.toIntExact(arena.size())];
    private final List<float[]> states = new ArrayList<>();
    private final List<Object> bufferValues = new ArrayList<>();
    private final List<HostTensor> model = new ArrayList<>();
    private final List<HostTensor> optimizerTensors = new ArrayList<>();

    private Snapshot() {
      addWindows(model, "", weights);
      for (Buffer buffer : buffers) {
        model.add(room(buffer));
      }
      for (Optimizer.State state : optimizer) {
        float[] values = new float[weights.length];
        states.add(values);
        addWindows(optimizerTensors, state.name() + ".", values);
      }
    }

    /** Whether the run's weights and buffers are still where they were. */
    boolean isOf(TrainerParts parts) {
      return arena == parts.arena() && buffers.equals(parts.model().buffers());
    }

    private void addWindows(List<HostTensor> list, String prefix, float[] values) {
      for (Parameter p : arena.parameters()) {
        list.add(
            HostTensor.of(prefix + p.name(), p.shape(), values, Math.toIntExact(arena.start(p))));
      }
    }

    private HostTensor room(Buffer buffer) {
      int size = Math.toIntExact(buffer.value().size());
      boolean integers = buffer.value().dtype() == DType.I32;
      Object values = integers ? new int[size] : new float[size];
      bufferValues.add(values);
      return new HostTensor(
          buffer.name(), integers ? DType.I32 : DType.F32, buffer.value().shape(), values, 0);
    }

    /** Copies the state as it is now; the last content must have been written. */
    CheckpointContent capture(CheckpointState state, String config) {
      backend.downloadSync(arena.values(), weights, 0);
      for (int i = 0; i < states.size(); i++) {
        backend.downloadSync(optimizer.get(i).values(), states.get(i), 0);
      }
      for (int i = 0; i < buffers.size(); i++) {
        download(buffers.get(i).value(), bufferValues.get(i));
      }
      return new CheckpointContent(state, model, optimizerTensors, config);
    }

    private void download(Tensor value, Object host) {
      if (host instanceof int[] ints) {
        backend.downloadSync(value, ints, 0);
      } else {
        backend.downloadSync(value, (float[]) host, 0);
      }
    }
  }
}
