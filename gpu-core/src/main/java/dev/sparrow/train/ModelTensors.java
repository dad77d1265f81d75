package dev.sparrow.train;

import dev.sparrow.checkpoint.NamedTensor;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.ParameterArena;
import java.util.ArrayList;
import java.util.List;

/** What stands in a model file: weights, then buffers, by their names in the model. */
public final class ModelTensors {
  private ModelTensors() {}

  public static List<NamedTensor> of(ParameterArena arena, List<Buffer> buffers) {
    List<NamedTensor> tensors = new ArrayList<>();
    arena.parameters().forEach(p -> tensors.add(new NamedTensor(p.name(), p.value())));
    buffers.forEach(b -> tensors.add(new NamedTensor(b.name(), b.value())));
    return tensors;
  }
}
