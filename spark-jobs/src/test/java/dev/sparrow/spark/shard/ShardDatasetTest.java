package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.text.ByteTokenizer;
import dev.sparrow.spark.text.TokenizerSpec;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShardDatasetTest {
  private final SparkSession spark = LocalSpark.session();
  @TempDir Path directory;

  @Test
  void rowsHoldTheDocumentsInOrderWithEndOfTextBetween() throws Exception {
    Path text = Files.writeString(directory.resolve("t.txt"), "ab\nc\n\ndef\n");
    Path out = directory.resolve("out");
    ShardManifest manifest = shard(ShardFixture.bytes(out, 4), text);
    List<int[]> rows = ShardFixture.rows(out, manifest.train());
    assertEquals(2, rows.size());
    assertArrayEquals(new int[] {'a', 'b', 256, 'c', 256}, rows.get(0));
    assertArrayEquals(new int[] {256, 'd', 'e', 'f', 256}, rows.get(1));
    assertEquals(3, manifest.tokens().train().documents());
    assertEquals(9, manifest.tokens().train().tokens());
    assertEquals(0, manifest.tokens().train().dropped());
    assertEquals(1, manifest.emptyRows());
    assertEquals(257, manifest.tokens().tokenizer().vocabularySize());
  }

  @Test
  void tailsOfPartitionsArePackedTogetherAndTheRestIsCounted() throws Exception {
    for (int i = 0; i < 5; i++) {
      Files.writeString(directory.resolve("t" + i + ".txt"), "abcde".substring(0, i + 1));
    }
    Path out = directory.resolve("out");
    ShardManifest manifest =
        new ShardDataset(spark, ShardFixture.bytes(out, 7))
            .run(SourceSpec.files("text", "value", directory + "/t*.txt"));
    // 15 letters and 5 ends of text; every stream's first token is no target.
    ShardManifest.Part train = manifest.train();
    TokenContent.Counts counts = manifest.tokens().train();
    assertEquals(20, counts.tokens());
    long streams = train.files().stream().map(f -> f.name().split("-")[1]).distinct().count();
    assertTrue(train.rows() >= 1);
    assertEquals(counts.tokens(), train.rows() * 7 + streams + counts.dropped());
    assertTrue(counts.dropped() <= 7, "dropped " + counts.dropped());
  }

  @Test
  void manifestTellsLengthAndChecksumOfEveryFile() throws Exception {
    Path out = directory.resolve("out");
    ShardManifest manifest =
        shard(ShardFixture.bytes(out, 16).withRowsPerFile(10), ShardFixture.lines(directory, 60));
    assertTrue(manifest.train().files().size() > 3);
    for (ShardManifest.File file : manifest.train().files()) {
      byte[] bytes = Files.readAllBytes(out.resolve(file.name()));
      CRC32C crc = new CRC32C();
      crc.update(bytes);
      assertEquals(bytes.length, file.bytes());
      assertEquals(String.format("%08x", crc.getValue()), file.crc32c());
      assertTrue(file.rows() <= 10);
    }
    assertEquals(manifest, new ManifestStore(ShardFixture.hadoop(), out.toString()).read());
  }

  @Test
  void splitByHashDoesNotDependOnPartitioning() throws Exception {
    Path text = ShardFixture.lines(directory, 200);
    List<Set<String>> held = new ArrayList<>();
    for (int partitions : new int[] {1, 3}) {
      Path parquet = directory.resolve("p" + partitions);
      spark.read().text(text.toString()).repartition(partitions).write().parquet("" + parquet);
      Path out = directory.resolve("out" + partitions);
      ShardSettings settings =
          ShardSettings.of("" + out, 8, TokenizerSpec.bytes(), SplitRule.byHash(0.2, 11));
      ShardManifest manifest =
          new ShardDataset(spark, settings)
              .run(SourceSpec.files("parquet", "value", parquet.toString()));
      assertEquals(
          200, manifest.tokens().train().documents() + manifest.tokens().validation().documents());
      long count = manifest.tokens().validation().documents();
      assertTrue(count > 20 && count < 60, "held out " + count + " of 200 at 0.2");
      held.add(wholeLines(ShardFixture.rows(out, manifest.validation())));
    }
    // At most the lines that end at a partition's or the split's end are cut.
    assertTrue(held.get(0).size() > 20);
    Set<String> common = new TreeSet<>(held.get(0));
    common.retainAll(held.get(1));
    assertTrue(common.size() >= held.get(0).size() - 4, held.toString());
  }

  @Test
  void splitColumnDecidesAndOtherValuesAreLeftOut() throws Exception {
    Path json = directory.resolve("s.json");
    Files.writeString(
        json,
        """
        {"text": "aaaa", "split": "train"}
        {"text": "bbbb", "split": "validation"}
        {"text": "cccc", "split": "test"}
        {"text": null, "split": "train"}
        {"text": "dddd"}
        """);
    Path out = directory.resolve("out");
    ShardSettings settings =
        ShardSettings.of("" + out, 4, TokenizerSpec.bytes(), SplitRule.byColumn("split"));
    ShardManifest manifest =
        new ShardDataset(spark, settings).run(SourceSpec.files("json", "text", json.toString()));
    assertEquals("aaaa", text(ShardFixture.rows(out, manifest.train())));
    assertEquals("bbbb", text(ShardFixture.rows(out, manifest.validation())));
    assertEquals(2, manifest.otherRows());
    assertEquals(1, manifest.nullRows());
  }

  @Test
  void unigramLossIsTheValidationTokensUnderSmoothedTrainingCounts() throws Exception {
    Path json = directory.resolve("s.json");
    Files.writeString(
        json, "{\"text\":\"aab\",\"split\":\"train\"}\n{\"text\":\"ac\",\"split\":\"validation\"}");
    ShardSettings settings =
        ShardSettings.of(directory + "/out", 2, TokenizerSpec.bytes(), SplitRule.byColumn("split"));
    ShardManifest manifest =
        new ShardDataset(spark, settings).run(SourceSpec.files("json", "text", json.toString()));
    // Training: a 2, b 1, end 1, of 4 + 257; validation: a, c, end.
    double expected = -(Math.log(3 / 261.0) + Math.log(1 / 261.0) + Math.log(2 / 261.0)) / 3;
    assertEquals(expected, manifest.tokens().unigramLoss(), 1e-12);
  }

  @Test
  void equalInputAndSettingsAreReusedUntilOverwritten() throws Exception {
    Path text = ShardFixture.lines(directory, 20);
    ShardSettings settings = ShardFixture.bytes(directory.resolve("out"), 8);
    ShardManifest first = shard(settings, text);
    assertEquals(first, shard(settings, text));
    ShardManifest again = shard(settings.withOverwrite(true), text);
    assertEquals(first.contentHash(), again.contentHash());
    assertNotEquals(first.train().files(), again.train().files());
    assertEquals(names(again), arrowFiles(directory.resolve("out")));
    assertEquals(again, shard(settings, text));
  }

  /** A user who takes a newer version trains on, and does not shard again. */
  @Test
  void shardsOfTheFirstSchemaAreReadAndReused() throws Exception {
    Path text = ShardFixture.lines(directory, 20);
    Path out = directory.resolve("out");
    ShardSettings settings = ShardFixture.bytes(out, 8);
    ShardManifest present = shard(settings, text);
    Path json = out.resolve("manifest.json");
    Files.delete(out.resolve(".manifest.json.crc"));
    Files.writeString(json, firstSchema(present));
    ManifestStore store = new ManifestStore(ShardFixture.hadoop(), out.toString());
    assertEquals(present, store.read());
    assertEquals(present, shard(settings, text));
    assertTrue(Files.readString(json).contains("nullDocuments"), "the old file is left as it was");
  }

  private static String firstSchema(ShardManifest manifest) throws Exception {
    ObjectMapper json = new ObjectMapper();
    ObjectNode old = json.createObjectNode().put("schemaVersion", 1);
    TokenContent tokens = manifest.tokens();
    old.put("context", tokens.context()).set("tokenizer", json.valueToTree(tokens.tokenizer()));
    old.set("train", firstPart(json.valueToTree(manifest.train()), tokens.train()));
    old.set("validation", firstPart(json.valueToTree(manifest.validation()), tokens.validation()));
    old.put("nullDocuments", manifest.nullRows()).put("emptyDocuments", manifest.emptyRows());
    old.put("otherDocuments", manifest.otherRows()).put("unigramLoss", tokens.unigramLoss());
    return old.put("contentHash", manifest.contentHash()).toString();
  }

  private static ObjectNode firstPart(ObjectNode part, TokenContent.Counts counts) {
    return part.put("documents", counts.documents())
        .put("tokens", counts.tokens())
        .put("droppedTokens", counts.dropped());
  }

  @Test
  void leftoversOfAnUnfinishedJobDoNotCountAndAreCleared() throws Exception {
    Path out = directory.resolve("out");
    Files.createDirectories(out.resolve("train"));
    Files.writeString(out.resolve("train/part-00000-old.arrow"), "half");
    Files.writeString(out.resolve("train/_part-00001-old.arrow.tmp"), "torn");
    ShardManifest manifest = shard(ShardFixture.bytes(out, 8), ShardFixture.lines(directory, 20));
    assertEquals(names(manifest), arrowFiles(out));
    assertFalse(Files.exists(out.resolve("train/_part-00001-old.arrow.tmp")));
  }

  @Test
  void wholeTextsMakeEachFileOneDocument() throws Exception {
    Path sources = Files.createDirectories(directory.resolve("some sources"));
    Files.writeString(sources.resolve("a b.txt"), "x\ny\n");
    Files.writeString(sources.resolve("c.txt"), "z\n");
    Path out = directory.resolve("out");
    ShardManifest manifest =
        new ShardDataset(spark, ShardFixture.bytes(out, 2))
            .run(SourceSpec.wholeTexts(sources.toString()));
    assertEquals(2, manifest.tokens().train().documents());
    assertEquals("x\ny\n".length() + "z\n".length() + 2, manifest.tokens().train().tokens());
    assertTrue(manifest.contentHash() != null);
  }

  @Test
  void partitionsWithoutRowsWriteNothing() throws Exception {
    Path text = Files.writeString(directory.resolve("one.txt"), "only one line of text");
    spark.read().text(text.toString()).repartition(4).createOrReplaceTempView("one_line");
    Path out = directory.resolve("out");
    ShardManifest manifest =
        new ShardDataset(spark, ShardFixture.bytes(out, 8))
            .run(SourceSpec.table("one_line", "value"));
    assertEquals(1, manifest.tokens().train().documents());
    assertEquals(names(manifest), arrowFiles(out));
  }

  @Test
  void tokenizerOfTheShardsOpensFromTheirManifest() throws Exception {
    Path json = directory.resolve("tok.json");
    try (var in = getClass().getResourceAsStream("/tiny-tokenizer.json")) {
      Files.copy(in, json);
    }
    Path text = Files.writeString(directory.resolve("t.txt"), "the cat sat on the mat");
    Path out = directory.resolve("out");
    ShardSettings settings =
        ShardSettings.of(
            "" + out, 2, TokenizerSpec.huggingFace("" + json, null), SplitRule.byHash(0, 0));
    ShardManifest manifest = shard(settings, text);
    Files.delete(json);
    ManifestStore store = new ManifestStore(ShardFixture.hadoop(), out.toString());
    assertEquals("the mat", store.tokenizer(manifest).decode(new int[] {1, 5}));
    assertArrayEquals(new int[] {1, 2, 3}, ShardFixture.rows(out, manifest.train()).get(0));
  }

  private ShardManifest shard(ShardSettings settings, Path text) {
    return new ShardDataset(spark, settings)
        .run(SourceSpec.files("text", "value", text.toString()));
  }

  private static Set<String> names(ShardManifest manifest) {
    return Stream.of(manifest.train(), manifest.validation())
        .flatMap(part -> part.files().stream())
        .map(ShardManifest.File::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Set<String> arrowFiles(Path out) throws Exception {
    try (Stream<Path> files = Files.walk(out)) {
      return files
          .filter(file -> file.toString().endsWith(".arrow"))
          .map(file -> out.relativize(file).toString())
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  private static String text(List<int[]> rows) {
    int[] ids = rows.stream().flatMapToInt(Arrays::stream).toArray();
    return new ByteTokenizer().decode(ids);
  }

  /** Lines that rows hold as a whole; a neighbour's shared token is left out. */
  private static Set<String> wholeLines(List<int[]> rows) {
    int[] ids = rows.stream().flatMapToInt(row -> Arrays.stream(row, 0, row.length - 1)).toArray();
    String text =
        IntStream.of(ids)
            .mapToObj(id -> id == 256 ? "\n" : "" + (char) id)
            .collect(Collectors.joining());
    byte[] check = text.getBytes(StandardCharsets.UTF_8);
    assertEquals(ids.length, check.length);
    return text.lines()
        .filter(line -> line.matches("line \\d{3} of the text"))
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
