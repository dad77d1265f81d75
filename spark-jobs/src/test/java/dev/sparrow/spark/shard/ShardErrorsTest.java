package dev.sparrow.spark.shard;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.spark.LocalSpark;
import dev.sparrow.spark.data.DataException;
import dev.sparrow.spark.data.SourceSpec;
import dev.sparrow.spark.data.SourceSpec.Format;
import dev.sparrow.spark.text.TokenizerSpec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShardErrorsTest {
  private final SparkSession spark = LocalSpark.session();
  @TempDir Path directory;

  @Test
  void aMissingColumnNamesTheNearestAndAllOthers() throws Exception {
    Path json = json("{\"body\": \"x\", \"title\": \"y\"}");
    expect(
        SourceSpec.files("json", "boby", "" + json),
        "column 'boby' is unknown",
        "did you mean 'body'?",
        "known: body, title");
  }

  @Test
  void aColumnOfAnotherTypeSaysWhichItHas() throws Exception {
    Path json = json("{\"body\": 3, \"ids\": [\"a\"]}");
    expect(SourceSpec.files("json", "body", "" + json), "expected text, got bigint");
    expect(
        SourceSpec.files("json", "body", "" + json).withTokens("ids"),
        "expected array<int> or array<bigint>, got array<string>");
  }

  @Test
  void emptyAndAllNullInputIsRefused() throws Exception {
    Path empty = Files.createFile(directory.resolve("empty.txt"));
    expect(SourceSpec.files("text", "value", "" + empty), "holds no rows");
    Path json = json("{\"body\": null, \"n\": 1}\n{\"body\": \"\", \"n\": 2}\n{\"n\": 3}");
    expect(
        SourceSpec.files("json", "body", "" + json),
        "column 'body' is null or empty in all 3 rows");
  }

  @Test
  void aContextLongerThanTheDataSaysBothLengths() throws Exception {
    Path text = Files.writeString(directory.resolve("t.txt"), "12345");
    ShardSettings settings = ShardFixture.bytes(directory.resolve("out"), 6);
    DataException error =
        assertThrows(
            DataException.class,
            () ->
                new ShardDataset(spark, settings)
                    .run(SourceSpec.files("text", "value", "" + text)));
    assertTrue(
        error.getMessage().contains("context 6 needs at least 7 tokens, found 6"),
        error.getMessage());
    assertNothingWhole();
  }

  @Test
  void aValidationSplitWithoutARowIsRefused() throws Exception {
    Path text = Files.writeString(directory.resolve("t.txt"), "one line of text only");
    ShardSettings settings =
        ShardSettings.of(directory + "/out", 4, TokenizerSpec.bytes(), SplitRule.byHash(1e-9, 0));
    DataException error =
        assertThrows(
            DataException.class,
            () ->
                new ShardDataset(spark, settings)
                    .run(SourceSpec.files("text", "value", "" + text)));
    assertTrue(error.getMessage().startsWith("validation split"), error.getMessage());
    assertNothingWhole();
  }

  @Test
  void idsBeyondTheVocabularyNameValueAndRow() throws Exception {
    Path json = json("{\"ids\": [1, 2, 3]}\n{\"ids\": [4, 99, 5]}");
    ShardSettings settings =
        ShardSettings.of(directory + "/out", 2, TokenizerSpec.ids(10, 0), SplitRule.byHash(0, 0));
    DataException error =
        assertThrows(
            DataException.class,
            () ->
                new ShardDataset(spark, settings)
                    .run(SourceSpec.files("json", "ids", "" + json).withTokens("ids")));
    assertTrue(error.getMessage().contains("row 1 of partition 0"), error.getMessage());
    assertTrue(
        error.getMessage().contains("token 1: expected an id from 0 to 9, got 99"),
        error.getMessage());
    assertNothingWhole();
  }

  @Test
  void badIdsAreNotTriedAgain() throws Exception {
    Path json = json("{\"ids\": [4, 99, 5]}");
    ShardSettings settings =
        ShardSettings.of(directory + "/out", 2, TokenizerSpec.ids(10, 0), SplitRule.byHash(0, 0));
    List<String> failures = new CopyOnWriteArrayList<>();
    SparkListener listener =
        new SparkListener() {
          @Override
          public void onTaskEnd(SparkListenerTaskEnd end) {
            if (!end.taskInfo().successful()) {
              failures.add(end.reason().toString());
            }
          }
        };
    spark.sparkContext().addSparkListener(listener);
    try {
      assertThrows(
          DataException.class,
          () ->
              new ShardDataset(spark, settings)
                  .run(SourceSpec.files("json", "ids", "" + json).withTokens("ids")));
      spark.sparkContext().listenerBus().waitUntilEmpty();
    } finally {
      spark.sparkContext().removeSparkListener(listener);
    }
    assertEquals(List.of(), failures, "Spark tries a failed task again");
  }

  @Test
  void sourcesThatAreNotThereSaySo() {
    expect(SourceSpec.files("text", "value", directory + "/none"), "does not exist");
    expect(SourceSpec.files("arrow", "value", directory + "/none"), "does not exist");
    expect(SourceSpec.table("no_such_table", "value"), "table no_such_table is not found");
  }

  @Test
  void anUnknownFormatNamesTheNearest() {
    DataException error = assertThrows(DataException.class, () -> Format.of("parket"));
    assertTrue(error.getMessage().contains("did you mean 'parquet'?"), error.getMessage());
  }

  @Test
  void foreignOutputIsRefusedAndLeftAlone() throws Exception {
    Path out = Files.createDirectories(directory.resolve("out"));
    Path precious = Files.writeString(out.resolve("thesis.txt"), "keep me");
    Path text = Files.writeString(directory.resolve("t.txt"), "some text to shard");
    SourceSpec source = SourceSpec.files("text", "value", "" + text);
    expect(source, "exists and is not a shard directory", "thesis.txt");
    new ShardDataset(spark, ShardFixture.bytes(out, 4).withOverwrite(true)).run(source);
    assertEquals("keep me", Files.readString(precious));
  }

  @Test
  void shardsOfOtherSettingsAreRefusedWithoutOverwrite() throws Exception {
    Path text = Files.writeString(directory.resolve("t.txt"), "some text to shard");
    Path out = directory.resolve("out");
    SourceSpec source = SourceSpec.files("text", "value", "" + text);
    new ShardDataset(spark, ShardFixture.bytes(out, 5)).run(source);
    expect(source, "holds shards of other input or settings");
    ShardManifest replaced =
        new ShardDataset(spark, ShardFixture.bytes(out, 4).withOverwrite(true)).run(source);
    assertEquals(4, replaced.tokens().context());
  }

  @Test
  void aFailedOverwriteLeavesTheOldShardsWhole() throws Exception {
    Path text = Files.writeString(directory.resolve("t.txt"), "some text to shard");
    Path out = directory.resolve("out");
    SourceSpec source = SourceSpec.files("text", "value", "" + text);
    ShardManifest old = new ShardDataset(spark, ShardFixture.bytes(out, 4)).run(source);
    ShardSettings tooLong = ShardFixture.bytes(out, 4000).withOverwrite(true);
    assertThrows(DataException.class, () -> new ShardDataset(spark, tooLong).run(source));
    assertEquals(old, new ManifestStore(ShardFixture.hadoop(), out.toString()).read());
    assertEquals(old.train().rows(), ShardFixture.rows(out, old.train()).size());
  }

  @Test
  void aTornManifestIsNotTakenForWhole() throws Exception {
    Path text = Files.writeString(directory.resolve("t.txt"), "some text to shard");
    Path out = directory.resolve("out");
    SourceSpec source = SourceSpec.files("text", "value", "" + text);
    new ShardDataset(spark, ShardFixture.bytes(out, 4)).run(source);
    Files.delete(out.resolve(".manifest.json.crc"));
    Files.writeString(out.resolve("manifest.json"), "{\"schemaVersion\": 1, \"con");
    expect(source, "manifest.json is damaged", "--overwrite");
    Files.writeString(out.resolve("manifest.json"), "{\"schemaVersion\": 9}");
    expect(source, "expected schema version 2, got 9");
  }

  private void expect(SourceSpec source, String... parts) {
    ShardSettings settings = ShardFixture.bytes(directory.resolve("out"), 4);
    DataException error =
        assertThrows(DataException.class, () -> new ShardDataset(spark, settings).run(source));
    for (String part : parts) {
      assertTrue(error.getMessage().contains(part), error.getMessage());
    }
    assertEquals(1, error.getMessage().lines().count(), error.getMessage());
  }

  private void assertNothingWhole() throws Exception {
    Path out = directory.resolve("out");
    assertFalse(Files.exists(out.resolve("manifest.json")));
    if (Files.exists(out)) {
      try (Stream<Path> files = Files.walk(out)) {
        List<Path> left = files.filter(file -> file.toString().endsWith(".arrow")).toList();
        assertEquals(List.of(), left);
      }
    }
  }

  private Path json(String lines) throws Exception {
    return Files.writeString(directory.resolve("in.json"), lines);
  }
}
