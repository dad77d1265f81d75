package dev.sparrow.checkpoint;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * A file's tensors as a model has them, in whatever narrower form they are stored: floats are F32,
 * integers I32, patterns whole. Reads once, front to back; owns the file. What is damaged is an
 * {@link IOException} or {@link IllegalArgumentException}.
 */
final class ModelReader implements AutoCloseable {
  /** Of the form of exported files; others have no version. */
  static final String VERSION = "1";

  static final String VERSION_KEY = "sparrow.version";

  private final SafeTensorsReader file;
  private final CompactPatterns compact;

  /** A tensor of the model. */
  record Entry(DType dtype, Shape shape) {}

  ModelReader(FileStore files, String path) throws IOException {
    this.file = new SafeTensorsReader(files.open(path), files.size(path), path);
    try {
      String version = file.metadata().getOrDefault(VERSION_KEY, VERSION);
      if (!version.equals(VERSION)) {
        throw new IllegalArgumentException(
            "expected %s %s, got %s; read it with the release that wrote it"
                .formatted(VERSION_KEY, VERSION, version));
      }
      this.compact = CompactPatterns.of(file.metadata());
    } catch (IllegalArgumentException strange) {
      file.close();
      throw strange;
    }
  }

  Map<String, String> metadata() {
    return file.metadata();
  }

  /** All tensors by name. */
  Map<String, Entry> entries() {
    Map<String, Entry> entries = new LinkedHashMap<>();
    file.tensors()
        .forEach((name, info) -> entries.put(name, new Entry(widened(info.dtype()), info.shape())));
    for (String weight : compact.layouts().keySet()) {
      Entry columns = entries.get(PatternTensors.columns(weight));
      if (columns != null && compact.tellAll(weight, columns.shape())) {
        Shape groups = Shape.of(columns.shape().dim(0));
        entries.putIfAbsent(PatternTensors.groups(weight), new Entry(DType.I32, groups));
      }
    }
    return entries;
  }

  private static DType widened(DType stored) {
    return switch (stored) {
      case F64 -> DType.F64;
      case F32, BF16 -> DType.F32;
      case I32, U16, U8 -> DType.I32;
    };
  }

  /** Gives those tensors of {@link #entries} whose name is wanted; the arrays are the taker's. */
  void read(Predicate<String> wanted, Consumer<HostTensor> taker) throws IOException {
    file.read(
        info -> wanted.test(info.name()) ? HostTensor.room(info) : null,
        stored -> {
          compact.unpack(stored);
          taker.accept(stored.as(widened(stored.dtype())));
          giveImpliedGroups(stored, taker);
        });
  }

  private void giveImpliedGroups(HostTensor stored, Consumer<HostTensor> taker) {
    String weight = PatternTensors.weightOfColumns(stored.name());
    if (weight == null || !compact.tellAll(weight, stored.shape())) {
      return;
    }
    String groups = PatternTensors.groups(weight);
    if (!file.tensors().containsKey(groups)) {
      int[] all = UniformPattern.allGroups(stored.shape().dim(0));
      taker.accept(HostTensor.of(groups, Shape.of(all.length), all, 0));
    }
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
