package dev.sparrow.checkpoint;

import dev.sparrow.backend.Backend;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** Puts a file's tensors into device tensors of the same names, after all were found to fit. */
public final class TensorLoader {
  private static final int PROBLEMS_SHOWN = 8;

  private final Backend backend;
  private final String where;

  private TensorLoader(Backend backend, String where) {
    this.backend = backend;
    this.where = where;
  }

  /**
   * Loads a whole safetensors file; all must fit and none be left over.
   *
   * @throws CheckpointException naming file and misfits
   */
  public static void load(
      FileStore files, String file, Backend backend, List<NamedTensor> destinations) {
    TensorLoader loader = new TensorLoader(backend, file);
    new ModelFile(files, file).reading(reader -> loader.load(reader, destinations));
  }

  private void load(ModelReader reader, List<NamedTensor> destinations) throws IOException {
    Map<String, Tensor> byName = new HashMap<>();
    destinations.forEach(d -> byName.put(d.name(), d.value()));
    requireFit(reader.entries(), destinations, byName);
    reader.read(name -> true, read -> upload(read, byName.get(read.name())));
  }

  private void requireFit(
      Map<String, ModelReader.Entry> found,
      List<NamedTensor> destinations,
      Map<String, Tensor> byName) {
    List<String> problems = new ArrayList<>();
    for (NamedTensor destination : destinations) {
      String name = destination.name();
      Tensor expected = destination.value();
      ModelReader.Entry got = found.get(name);
      if (got == null) {
        problems.add("missing " + name + " " + expected.shape());
      } else if (!got.shape().equals(expected.shape())) {
        problems.add(name + ": expected " + expected.shape() + ", got " + got.shape());
      } else if (got.dtype() != fileType(expected.dtype())) {
        problems.add(name + ": expected " + fileType(expected.dtype()) + ", got " + got.dtype());
      }
    }
    for (String name : new TreeSet<>(found.keySet())) {
      if (!byName.containsKey(name)) {
        problems.add("unexpected " + name + " " + found.get(name).shape());
      }
    }
    if (!problems.isEmpty()) {
      throw new CheckpointException(where + ": does not fit: " + listed(problems));
    }
  }

  private static String listed(List<String> problems) {
    int shown = Math.min(PROBLEMS_SHOWN, problems.size());
    String more = shown < problems.size() ? "; and " + (problems.size() - shown) + " more" : "";
    return String.join("; ", problems.subList(0, shown))
        + more
        + "; use the configuration that the checkpoint was written with (config.conf beside it)";
  }

  /** Floats are read as F32, whatever the device computes in. */
  private static DType fileType(DType device) {
    return device == DType.I32 ? DType.I32 : DType.F32;
  }

  private void upload(HostTensor read, Tensor destination) {
    if (read.dtype() == DType.I32) {
      backend.upload((int[]) read.array(), 0, destination);
    } else {
      backend.upload((float[]) read.array(), 0, destination);
    }
  }
}
