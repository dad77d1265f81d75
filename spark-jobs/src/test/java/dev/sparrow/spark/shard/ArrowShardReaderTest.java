package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.data.BatchSource;
import dev.sparrow.data.TokenBatch;
import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.text.TokenizerSpec;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArrowShardReaderTest {
  private static final int CONTEXT = 8;
  private static final long SEED = 42;
  private static final Configuration HADOOP = ShardFixture.hadoop();

  @TempDir static Path shared;
  private static Path shards;
  private static ShardManifest manifest;
  @TempDir Path directory;

  @BeforeAll
  static void shardOnce() throws Exception {
    shards = shared.resolve("shards");
    ShardSettings settings =
        ShardSettings.of(
                shards.toString(), CONTEXT, TokenizerSpec.bytes(), SplitRule.byHash(0.2, 3))
            .withRowsPerFile(50);
    manifest =
        new ShardDataset(LocalSpark.session(), settings)
            .run(SourceSpec.files("text", "value", "" + ShardFixture.lines(shared, 150)));
    assertTrue(manifest.train().files().size() > 4, "needs several files");
  }

  @Test
  void globalBatchesAreTheSameForEveryWorldSize() throws Exception {
    // 12 samples a step: world x micro-batch x accumulation.
    int[][] layouts = {{1, 12, 1}, {1, 3, 4}, {2, 3, 2}, {3, 2, 2}, {4, 3, 1}};
    List<List<List<Integer>>> first = globalBatches(layouts[0], 0, 5);
    for (int[] layout : layouts) {
      assertEquals(first, globalBatches(layout, 0, 5), Arrays.toString(layout));
    }
  }

  @Test
  void restoringAnywhereContinuesAsIfUndisturbed() throws Exception {
    int steps = (int) (2 * manifest.train().rows() / 12) + 2;
    List<List<List<Integer>>> all = globalBatches(new int[] {1, 12, 1}, 0, steps);
    for (int done : new int[] {1, 7, steps / 2, steps - 2}) {
      List<List<List<Integer>>> rest = globalBatches(new int[] {2, 3, 2}, 12L * done, 2);
      assertEquals(all.subList(done, done + 2), rest, "after step " + done);
    }
  }

  @Test
  void anEpochHoldsEveryRowOnceAndTheNextAnotherOrder() throws Exception {
    List<List<Integer>> rows = boxed(ShardFixture.rows(shards, manifest.train()));
    try (ArrowShardReader<TokenBatch> reader = reader(1, 0, 1, 1)) {
      assertEquals(rows.size(), reader.samplesPerEpoch());
      List<List<Integer>> epoch0 = take(reader, rows.size());
      List<List<Integer>> epoch1 = take(reader, rows.size());
      assertEquals(sorted(rows), sorted(epoch0));
      assertEquals(sorted(rows), sorted(epoch1));
      assertNotEquals(rows, epoch0);
      assertNotEquals(epoch0, epoch1);
    }
  }

  @Test
  void positionMovesWithWholeGlobalBatches() {
    try (ArrowShardReader<TokenBatch> reader = reader(2, 1, 3, 2)) {
      assertEquals(0, reader.position());
      assertEquals(3, reader.next().firstSample());
      assertEquals(0, reader.position());
      assertEquals(9, reader.next().firstSample());
      assertEquals(12, reader.position());
      assertEquals(15, reader.next().firstSample());
      reader.restore(24);
      assertEquals(24, reader.position());
      assertEquals(27, reader.next().firstSample());
    }
  }

  @Test
  void withoutShuffleTheOrderIsThatOfTheFiles() throws Exception {
    ReaderSettings settings =
        new ReaderSettings(shards.toString(), Split.TRAIN, SEED, 1, 0, 4, 1, false, null, 2);
    List<List<Integer>> rows = boxed(ShardFixture.rows(shards, manifest.train()));
    try (ArrowShardReader<TokenBatch> reader = ArrowShardReader.tokens(HADOOP, settings)) {
      List<List<Integer>> read = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        read.addAll(rows(reader.next()));
      }
      assertEquals(rows.subList(0, 40), read);
    }
  }

  @Test
  void aLimitedEvaluationReadsTheFirstRowsWhateverTheWorldSize() throws Exception {
    List<List<Integer>> all = boxed(ShardFixture.rows(shards, manifest.validation()));
    List<List<Integer>> read = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      ReaderSettings settings = ReaderSettings.evaluation(shards.toString(), 2, rank, 2);
      try (var reader = ArrowEvaluationReader.tokens(HADOOP, settings, 5)) {
        read.addAll(drain(reader));
        assertEquals(5, reader.samplesPerEpoch());
      }
    }
    assertEquals(all.subList(0, 5), read);
  }

  @Test
  void evaluationReadsEveryValidationRowOnceInOrder() throws Exception {
    List<List<Integer>> expected = boxed(ShardFixture.rows(shards, manifest.validation()));
    for (int world : new int[] {1, 2, 3}) {
      List<List<Integer>> read = new ArrayList<>();
      for (int rank = 0; rank < world; rank++) {
        ReaderSettings settings = ReaderSettings.evaluation(shards.toString(), world, rank, 7);
        try (var reader = ArrowEvaluationReader.tokens(HADOOP, settings, Long.MAX_VALUE)) {
          List<List<Integer>> once = drain(reader);
          assertNull(reader.next());
          assertEquals(once.size(), reader.position());
          reader.restore(0);
          assertEquals(once, drain(reader));
          read.addAll(once);
        }
      }
      assertEquals(expected, read, "world " + world);
    }
  }

  @Test
  void aChangedByteIsFoundWithAndWithoutCache() throws Exception {
    Path copy = copyShards();
    Path victim = copy.resolve(manifest.train().files().get(0).name());
    try (RandomAccessFile file = new RandomAccessFile(victim.toFile(), "rw")) {
      file.seek(file.length() / 2);
      int old = file.read();
      file.seek(file.length() / 2);
      file.write(old ^ 1);
    }
    for (String cache : new String[] {null, directory.resolve("cache").toString()}) {
      DataException error = assertThrows(DataException.class, () -> readEpoch(copy, cache));
      assertTrue(error.getMessage().contains("is damaged"), error.getMessage());
      assertTrue(error.getMessage().contains("CRC32C"), error.getMessage());
      assertTrue(error.getMessage().contains(victim.getFileName().toString()));
    }
  }

  @Test
  void aCutOffOrMissingFileIsFound() throws Exception {
    Path copy = copyShards();
    Path victim = copy.resolve(manifest.train().files().get(1).name());
    try (RandomAccessFile file = new RandomAccessFile(victim.toFile(), "rw")) {
      file.setLength(file.length() - 10);
    }
    DataException cut = assertThrows(DataException.class, () -> readEpoch(copy, null));
    long bytes = manifest.train().files().get(1).bytes();
    assertTrue(
        cut.getMessage().contains("expected " + bytes + " bytes, got " + (bytes - 10)),
        cut.getMessage());
    Files.delete(victim);
    for (String cache : new String[] {null, directory.resolve("cache").toString()}) {
      DataException missing = assertThrows(DataException.class, () -> readEpoch(copy, cache));
      assertTrue(missing.getMessage().contains("is missing"), missing.getMessage());
    }
  }

  @Test
  void anErrorOfThePrefetchComesAfterTheBatchesBeforeIt() throws Exception {
    List<Long> filled = new ArrayList<>();
    PrefetchRing.Filler<TokenBatch> filler =
        (batch, index) -> {
          if (index == 3) {
            throw new IOException("disk gone");
          }
          batch.filled(1, index);
          return true;
        };
    List<TokenBatch> batches =
        List.of(new TokenBatch(1, CONTEXT), new TokenBatch(1, CONTEXT), new TokenBatch(1, CONTEXT));
    try (PrefetchRing<TokenBatch> ring = new PrefetchRing<>("test", batches, filler)) {
      for (int i = 0; i < 3; i++) {
        filled.add(ring.next().firstSample());
      }
      assertEquals(List.of(0L, 1L, 2L), filled);
      for (int i = 0; i < 2; i++) {
        DataException error = assertThrows(DataException.class, ring::next);
        assertTrue(error.getMessage().contains("disk gone"), error.getMessage());
      }
    }
  }

  @Test
  void aBatchInUseIsNotRefilled() throws Exception {
    try (ArrowShardReader<TokenBatch> reader = reader(1, 0, 4, 1);
        ArrowShardReader<TokenBatch> ahead = reader(1, 0, 4, 1)) {
      TokenBatch held = reader.next();
      List<List<Integer>> before = rows(held);
      assertEquals(before, rows(ahead.next()));
      for (int i = 0; i < 5; i++) {
        ahead.next();
      }
      assertEquals(before, rows(held));
    }
  }

  /** One in use and two ahead; or half of a step's, whichever is more. */
  @Test
  void batchesLieInTheGivenMemoryUntilTheReaderIsClosed() {
    for (int[] expected : new int[][] {{1, 3}, {6, 3}, {7, 4}, {12, 6}}) {
      DeviceReadInts.Given memory = new DeviceReadInts.Given();
      try (ArrowShardReader<TokenBatch> reader =
          ArrowShardReader.tokens(
              HADOOP, training("" + shards, 1, 0, 1, expected[0]), memory::apply)) {
        TokenBatch batch = reader.next();
        assertTrue(memory.all.contains(batch.memory()));
        reader.restore(12);
        assertEquals(expected[1], memory.all.size());
        assertEquals(0, memory.closed());
      }
      assertEquals(expected[1], memory.closed());
    }
    DeviceReadInts.Given memory = new DeviceReadInts.Given();
    ReaderSettings once = ReaderSettings.evaluation("" + shards, 1, 0, 2);
    try (var reader = ArrowEvaluationReader.tokens(HADOOP, once, 5, memory::apply)) {
      assertEquals(5, drain(reader).size());
      reader.restore(0);
      assertEquals(0, memory.closed());
    }
    assertEquals(3, memory.closed());
  }

  @Test
  void ranksShareOneCacheAndADamagedCopyIsMadeAnew() throws Exception {
    String cache = directory.resolve("cache").toString();
    List<List<Integer>> expected = readEpoch(shards, null);
    ExecutorService ranks = Executors.newFixedThreadPool(4);
    try {
      Callable<List<List<Integer>>> task = () -> readEpoch(shards, cache);
      for (Future<List<List<Integer>>> rank : ranks.invokeAll(List.of(task, task, task, task))) {
        assertEquals(expected, rank.get());
      }
    } finally {
      ranks.shutdownNow();
    }
    List<Path> copies = arrowFiles(Path.of(cache));
    assertEquals(manifest.train().files().size(), copies.size());
    Files.write(copies.get(0), new byte[(int) Files.size(copies.get(0))]);
    assertEquals(expected, readEpoch(shards, cache));
  }

  @Test
  void closingEndsTheThreads() {
    ArrowShardReader<TokenBatch> reader = reader(1, 0, 1, 1);
    reader.next();
    reader.close();
    reader.close();
    boolean running =
        Thread.getAllStackTraces().keySet().stream()
            .anyMatch(thread -> thread.getName().startsWith("sparrow-prefetch"));
    assertTrue(!running, "a prefetch thread is still running");
  }

  @Test
  void settingsAndUnfinishedShardsAreRefused() {
    DataException unfinished =
        assertThrows(
            DataException.class,
            () -> ArrowShardReader.tokens(HADOOP, training("" + directory, 1, 0, 1, 1)));
    assertTrue(unfinished.getMessage().contains("no finished shards"), unfinished.getMessage());
    assertThrows(DataException.class, () -> training("x", 2, 2, 1, 1));
    assertThrows(DataException.class, () -> training("x", 1, 0, 0, 1));
    assertThrows(DataException.class, () -> reader(1, 0, 1_000_000, 1));
  }

  private static ReaderSettings training(String path, int world, int rank, int micro, int acc) {
    return ReaderSettings.training(path, SEED, world, rank, micro, acc);
  }

  private static ArrowShardReader<TokenBatch> reader(
      int world, int rank, int microBatch, int accumulation) {
    return ArrowShardReader.tokens(
        HADOOP, training(shards.toString(), world, rank, microBatch, accumulation));
  }

  /** Rows of each step, sorted by sample number over ranks and micro-batches. */
  private static List<List<List<Integer>>> globalBatches(int[] layout, long position, int steps) {
    int world = layout[0];
    int micro = layout[1];
    int accumulation = layout[2];
    List<List<List<Integer>>> result = new ArrayList<>();
    for (int step = 0; step < steps; step++) {
      result.add(new ArrayList<>(Collections.nCopies(12, null)));
    }
    for (int rank = 0; rank < world; rank++) {
      try (ArrowShardReader<TokenBatch> reader = reader(world, rank, micro, accumulation)) {
        reader.restore(position);
        for (int i = 0; i < steps * accumulation; i++) {
          TokenBatch batch = reader.next();
          List<List<Integer>> rows = rows(batch);
          for (int b = 0; b < rows.size(); b++) {
            long sample = batch.firstSample() + b - position;
            result.get((int) (sample / 12)).set((int) (sample % 12), rows.get(b));
          }
        }
      }
    }
    return result;
  }

  private static List<List<Integer>> readEpoch(Path shards, String cache) {
    ReaderSettings settings = training(shards.toString(), 1, 0, 1, 1).withCacheDirectory(cache);
    try (ArrowShardReader<TokenBatch> reader = ArrowShardReader.tokens(HADOOP, settings)) {
      return take(reader, (int) reader.samplesPerEpoch());
    }
  }

  private static List<List<Integer>> take(BatchSource source, int batches) {
    List<List<Integer>> rows = new ArrayList<>();
    for (int i = 0; i < batches; i++) {
      rows.addAll(rows((TokenBatch) source.next()));
    }
    return rows;
  }

  private static List<List<Integer>> drain(BatchSource source) {
    List<List<Integer>> rows = new ArrayList<>();
    for (TokenBatch batch = (TokenBatch) source.next();
        batch != null;
        batch = (TokenBatch) source.next()) {
      rows.addAll(rows(batch));
    }
    return rows;
  }

  private static List<List<Integer>> rows(TokenBatch batch) {
    int width = batch.context() + 1;
    List<List<Integer>> rows = new ArrayList<>();
    for (int b = 0; b < batch.samples(); b++) {
      int[] ids = new int[width];
      batch.tokens().get(b * width, ids);
      rows.add(Arrays.stream(ids).boxed().toList());
    }
    return rows;
  }

  private static List<List<Integer>> boxed(List<int[]> rows) {
    return rows.stream().map(row -> Arrays.stream(row).boxed().toList()).toList();
  }

  private static List<String> sorted(List<List<Integer>> rows) {
    return rows.stream().map(List::toString).sorted().toList();
  }

  private Path copyShards() throws Exception {
    Path copy = directory.resolve("copy");
    try (Stream<Path> files = Files.walk(shards)) {
      for (Path file : new TreeSet<>(files.toList())) {
        if (!file.getFileName().toString().endsWith(".crc")) {
          Files.copy(file, copy.resolve(shards.relativize(file).toString()));
        }
      }
    }
    return copy;
  }

  private static List<Path> arrowFiles(Path directory) throws Exception {
    try (Stream<Path> files = Files.list(directory)) {
      return files.filter(file -> file.toString().endsWith(".arrow")).sorted().toList();
    }
  }
}
