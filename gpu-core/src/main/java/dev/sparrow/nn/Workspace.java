package dev.sparrow.nn;

import dev.sparrow.backend.Backend;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Activation memory of one model, handed out while layers reserve and never while they run. Kept
 * tensors belong to one layer from its forward to its backward pass; scratch is shared by all
 * layers that name the same slot and holds nothing between two calls of layers. Closing frees all
 * of it.
 */
public final class Workspace implements AutoCloseable {
  private final Backend backend;
  private final List<Tensor> owned = new ArrayList<>();
  private final Map<String, Tensor> scratch = new HashMap<>();
  private long bytes;

  public Workspace(Backend backend) {
    this.backend = backend;
  }

  public Backend backend() {
    return backend;
  }

  /** Activations of the caller's own, in the backend's compute type. */
  public Tensor keep(int... dims) {
    return keep(backend.computeType(), dims);
  }

  /** Statistics, losses or a router's numbers, in the backend's float type. */
  public Tensor keepFloat(int... dims) {
    return keep(backend.floatType(), dims);
  }

  /** A tensor of the caller's own. */
  public Tensor keep(DType dtype, int... dims) {
    Tensor tensor = backend.allocate(dtype, Shape.of(dims));
    owned.add(tensor);
    bytes += tensor.bytes();
    return tensor;
  }

  /**
   * Activations that share their memory with all others of the slot. Slots grow to the largest
   * request; layers of equal sizes share one buffer.
   */
  public Tensor scratch(String slot, int... dims) {
    return scratch(slot, backend.computeType(), dims);
  }

  /** As {@link #scratch(String, int...)}, in the backend's float type. */
  public Tensor scratchFloat(String slot, int... dims) {
    return scratch(slot, backend.floatType(), dims);
  }

  /** As {@link #scratch(String, int...)}, for another dtype. */
  public Tensor scratch(String slot, DType dtype, int... dims) {
    Shape shape = Shape.of(dims);
    String key = slot + '/' + dtype;
    Tensor held = scratch.get(key);
    if (held == null || held.size() < shape.size()) {
      held = keep(dtype, Math.toIntExact(shape.size()));
      scratch.put(key, held);
    }
    return new Tensor(held.storage(), held.offset(), shape);
  }

  /** Bytes handed out. */
  public long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    owned.forEach(backend::free);
    owned.clear();
    scratch.clear();
  }
}
