package dev.sparrow.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.tensor.Shape;
import dev.sparrow.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointStoreTest {
  @TempDir Path directory;

  /** The local files, told to be an object store, or to fail after so many files. */
  private static final class Faulty implements FileStore {
    private final LocalFileStore local = new LocalFileStore();
    private final boolean atomic;
    private int filesLeft = Integer.MAX_VALUE;

    Faulty(boolean atomic) {
      this.atomic = atomic;
    }

    @Override
    public OutputStream create(String path) throws IOException {
      if (filesLeft-- <= 0) {
        throw new IOException("disk full");
      }
      return local.create(path);
    }

    @Override
    public InputStream open(String path) throws IOException {
      return local.open(path);
    }

    @Override
    public void rename(String from, String to) throws IOException {
      if (!atomic) {
        throw new IOException("renames are not for object stores");
      }
      local.rename(from, to);
    }

    @Override
    public List<String> list(String path) throws IOException {
      return local.list(path);
    }

    @Override
    public void delete(String path) throws IOException {
      local.delete(path);
    }

    @Override
    public boolean exists(String path) {
      return local.exists(path);
    }

    @Override
    public long size(String path) throws IOException {
      return local.size(path);
    }

    @Override
    public boolean atomicRename() {
      return atomic;
    }
  }

  private CheckpointStore store(FileStore files, int keep) {
    return new CheckpointStore(files, directory.toString(), keep);
  }

  private static CheckpointContent content(long step) {
    CheckpointState state =
        new CheckpointState(1, step, step * 8, 0.5, 1, 8, 4, null, 2, "dense", null, "adamw", null);
    HostTensor weight = HostTensor.of("w", Shape.of(2), new float[] {step, 2}, 0);
    HostTensor moment = HostTensor.of("exp_avg.w", Shape.of(2), new float[] {3, step}, 0);
    return new CheckpointContent(state, List.of(weight), List.of(moment), "train.steps = 1\n");
  }

  private static long latestStep(CheckpointStore store) {
    return store.latest().map(c -> c.state().step()).orElse(-1L);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whatWasWrittenComesBack(boolean atomic) throws IOException {
    CheckpointStore store = store(new Faulty(atomic), 2);
    assertEquals(Optional.empty(), store.latest());
    store.write(content(7));
    Checkpoint read = store.latest().orElseThrow();
    assertEquals(7, read.state().step());
    assertEquals(56, read.state().position());
    assertEquals("train.steps = 1\n", read.config());
    try (Backend backend = new ReferenceBackend()) {
      Tensor w = backend.allocate(2);
      read.model().load(backend, List.of(new NamedTensor("w", w)));
      float[] host = new float[2];
      backend.downloadSync(w, host, 0);
      assertArrayEquals(new float[] {7, 2}, host);
    }
  }

  @Test
  void theNewestAreKeptAndLeftoversGo() throws IOException {
    CheckpointStore store = store(new LocalFileStore(), 2);
    Files.createDirectories(directory.resolve("step-00000003.tmp"));
    for (long step : new long[] {10, 20, 30}) {
      store.write(content(step));
    }
    assertEquals(List.of(30L, 20L), store.steps());
    assertEquals(2, new LocalFileStore().list(directory.toString()).size());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"model.safetensors", "optimizer.safetensors", "config.conf", "state.json"})
  void aFlippedBitMakesAnOlderOneTheLatest(String file) throws IOException {
    CheckpointStore store = store(new LocalFileStore(), 3);
    store.write(content(10));
    store.write(content(20));
    Path damaged = directory.resolve("step-00000020").resolve(file);
    byte[] bytes = Files.readAllBytes(damaged);
    bytes[bytes.length / 2] ^= 1;
    Files.write(damaged, bytes);
    assertEquals(10, latestStep(store));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "model.safetensors",
        "optimizer.safetensors",
        "config.conf",
        "state.json",
        "_COMPLETE"
      })
  void aMissingFileMakesAnOlderOneTheLatest(String file) throws IOException {
    CheckpointStore store = store(new LocalFileStore(), 3);
    store.write(content(10));
    store.write(content(20));
    Files.delete(directory.resolve("step-00000020").resolve(file));
    assertEquals(10, latestStep(store));
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aWriteCutAtAnyFileLeavesTheLastOne(boolean atomic) throws IOException {
    Faulty files = new Faulty(atomic);
    CheckpointStore store = store(files, 2);
    store.write(content(10));
    for (int whole = 0; whole < 5; whole++) {
      files.filesLeft = whole;
      assertThrows(IOException.class, () -> store.write(content(20)));
      assertEquals(10, latestStep(store), whole + " whole files");
    }
    files.filesLeft = Integer.MAX_VALUE;
    store.write(content(20));
    assertEquals(20, latestStep(store));
  }

  @Test
  void goingBackBehindADamagedOneKeepsTheGoodOnes() throws IOException {
    CheckpointStore store = store(new LocalFileStore(), 1);
    store.write(content(10));
    store.write(content(30));
    Files.delete(directory.resolve("step-00000030/state.json"));
    store.write(content(20));
    assertEquals(List.of(20L), store.steps());
    assertEquals(20, latestStep(store));
  }

  @Test
  void whatDoesNotFitIsToldAtOnce() throws IOException {
    CheckpointStore store = store(new LocalFileStore(), 1);
    store.write(content(1));
    Checkpoint checkpoint = store.latest().orElseThrow();
    try (Backend backend = new ReferenceBackend()) {
      List<NamedTensor> wrong =
          List.of(
              new NamedTensor("exp_avg.v", backend.allocate(3)),
              new NamedTensor("exp_avg.w", backend.allocate(1, 2)));
      CheckpointException error =
          assertThrows(CheckpointException.class, () -> checkpoint.loadOptimizer(backend, wrong));
      assertTrue(
          error
              .getMessage()
              .contains("missing exp_avg.v [3]; exp_avg.w: expected [1, 2], got [2]; use"),
          error.getMessage());
      error =
          assertThrows(
              CheckpointException.class, () -> checkpoint.model().load(backend, List.of()));
      assertTrue(error.getMessage().contains("unexpected w [2]"), error.getMessage());
    }
  }

  @Test
  void errorsOfTheWriterThreadSurfaceOnce() throws IOException {
    Faulty files = new Faulty(true);
    CheckpointWriter writer = new CheckpointWriter(store(files, 1));
    writer.write(content(1));
    writer.await();
    files.filesLeft = 1;
    writer.write(content(2));
    CheckpointException error = assertThrows(CheckpointException.class, writer::await);
    assertTrue(error.getMessage().contains("disk full"), error.getMessage());
    writer.write(content(3));
    assertThrows(CheckpointException.class, writer::close);
    assertEquals(1, latestStep(store(files, 1)));
  }
}
