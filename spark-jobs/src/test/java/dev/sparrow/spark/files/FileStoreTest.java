package dev.sparrow.spark.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.checkpoint.CheckpointContent;
import dev.sparrow.checkpoint.CheckpointState;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.checkpoint.FileStore;
import dev.sparrow.checkpoint.HostTensor;
import dev.sparrow.checkpoint.LocalFileStore;
import dev.sparrow.tensor.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every file store keeps the same promises, so that a checkpoint is whole or absent on all. */
class FileStoreTest {
  @TempDir Path directory;

  /** Stores under test. */
  enum Kind {
    LOCAL,
    HADOOP,
    OBJECT_STORE;

    FileStore open(String root) throws IOException {
      return switch (this) {
        case LOCAL -> new LocalFileStore();
        case HADOOP -> new HadoopFileStore(new Configuration(false), root);
        case OBJECT_STORE -> new HadoopFileStore(ObjectStoreFake.configuration(), root);
      };
    }

    String root(Path directory) {
      return this == OBJECT_STORE
          ? ObjectStoreFake.SCHEME + "://bucket" + directory
          : directory.toString();
    }
  }

  private static void write(FileStore files, String path, byte[] bytes) throws IOException {
    try (OutputStream out = files.create(path)) {
      out.write(bytes);
    }
  }

  private static byte[] read(FileStore files, String path) throws IOException {
    try (InputStream in = files.open(path)) {
      return in.readAllBytes();
    }
  }

  @ParameterizedTest
  @EnumSource
  void aFileIsMadeWithItsParentsReadAndReplaced(Kind kind) throws IOException {
    String root = kind.root(directory);
    FileStore files = kind.open(root);
    String path = root + "/a/b/file";
    write(files, path, new byte[] {1, 2, 3});
    assertEquals(3, files.size(path));
    write(files, path, new byte[] {4});
    assertArrayEquals(new byte[] {4}, read(files, path));
    assertTrue(files.exists(path));
    assertTrue(files.exists(root + "/a/b"));
    assertFalse(files.exists(root + "/a/c"));
  }

  @ParameterizedTest
  @EnumSource
  void whatIsNotThereIsToldOrEmpty(Kind kind) throws IOException {
    String root = kind.root(directory);
    FileStore files = kind.open(root);
    assertThrows(IOException.class, () -> files.open(root + "/none").close());
    assertThrows(IOException.class, () -> files.size(root + "/none"));
    assertEquals(List.of(), files.list(root + "/none"));
    files.delete(root + "/none");
  }

  @ParameterizedTest
  @EnumSource
  void namesAreListedAndTreesDeleted(Kind kind) throws IOException {
    String root = kind.root(directory);
    FileStore files = kind.open(root);
    write(files, root + "/tree/one", new byte[] {1});
    write(files, root + "/tree/deep/two", new byte[] {2});
    assertEquals(Set.of("one", "deep"), Set.copyOf(files.list(root + "/tree")));
    files.delete(root + "/tree");
    assertFalse(files.exists(root + "/tree/deep/two"));
    assertEquals(List.of(), files.list(root + "/tree"));
  }

  @ParameterizedTest
  @EnumSource
  void onlyAnObjectStoreRenamesNoWholeDirectory(Kind kind) throws IOException {
    String root = kind.root(directory);
    FileStore files = kind.open(root);
    assertEquals(kind != Kind.OBJECT_STORE, files.atomicRename());
    if (files.atomicRename()) {
      write(files, root + "/from/deep/file", new byte[] {7});
      files.rename(root + "/from", root + "/to");
      assertArrayEquals(new byte[] {7}, read(files, root + "/to/deep/file"));
      assertFalse(files.exists(root + "/from"));
      assertThrows(IOException.class, () -> files.rename(root + "/none", root + "/other"));
    }
  }

  @ParameterizedTest
  @EnumSource
  void aTornCheckpointIsPassedOver(Kind kind) throws IOException {
    String root = kind.root(directory) + "/checkpoints";
    FileStore files = kind.open(root);
    CheckpointStore store = new CheckpointStore(files, root, 3);
    assertTrue(store.latest().isEmpty());
    for (long step : new long[] {1, 2, 3}) {
      store.write(content(step));
    }
    assertEquals(3, store.latest().orElseThrow().state().step());
    files.delete(root + "/step-00000003/_COMPLETE");
    assertEquals(2, store.latest().orElseThrow().state().step());
    String weights = root + "/step-00000002/model.safetensors";
    byte[] bytes = read(files, weights);
    write(files, weights, Arrays.copyOf(bytes, bytes.length - 1));
    assertEquals(1, store.latest().orElseThrow().state().step());
    store.write(content(4));
    assertEquals(4, store.latest().orElseThrow().state().step());
  }

  private static CheckpointContent content(long step) {
    CheckpointState state =
        new CheckpointState(
            CheckpointState.FORMAT_VERSION,
            step,
            8 * step,
            0.5,
            1,
            8,
            4,
            null,
            2,
            "moe",
            null,
            "adamw",
            null);
    HostTensor weight = HostTensor.of("w", Shape.of(2), new float[] {step, 2}, 0);
    return new CheckpointContent(state, List.of(weight), List.of(weight), "train.steps = 4\n");
  }

  @ParameterizedTest
  @EnumSource(names = {"HADOOP", "OBJECT_STORE"})
  void aTextIsReplacedAndCopied(Kind kind) throws IOException {
    String root = kind.root(directory);
    HadoopFileStore files = (HadoopFileStore) kind.open(root);
    files.writeText(root + "/run/summary.json", "old");
    files.writeText(root + "/run/summary.json", "new\n");
    files.copy(root + "/run/summary.json", root + "/model/summary.json");
    assertEquals("new\n", files.readText(root + "/model/summary.json"));
    assertEquals(
        List.of("summary.json"),
        files.list(root + "/run").stream().filter(name -> !name.endsWith(".crc")).toList());
  }
}
