package dev.sparrow.spark.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.spark.LocalSpark;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.arrow.compression.CommonsCompressionFactory;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.complex.impl.UnionListWriter;
import org.apache.arrow.vector.compression.CompressionUtil.CodecType;
import org.apache.arrow.vector.compression.NoCompressionCodec;
import org.apache.arrow.vector.dictionary.Dictionary;
import org.apache.arrow.vector.dictionary.DictionaryEncoder;
import org.apache.arrow.vector.dictionary.DictionaryProvider.MapDictionaryProvider;
import org.apache.arrow.vector.ipc.ArrowFileWriter;
import org.apache.arrow.vector.ipc.message.IpcOption;
import org.apache.arrow.vector.types.pojo.DictionaryEncoding;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SourcesTest {
  private static final List<String> TEXTS = List.of("erster", "zweiter, mit Komma", "dritter ü");

  private final SparkSession spark = LocalSpark.session();
  @TempDir Path directory;

  @Test
  void everySparkFormatGivesBackItsTexts() {
    Dataset<Row> rows = spark.createDataset(TEXTS, Encoders.STRING()).toDF("text").coalesce(1);
    for (String format : List.of("json", "parquet", "orc", "csv")) {
      String path = directory.resolve(format).toString();
      rows.write().format(format).option("header", "true").save(path);
      assertEquals(TEXTS, texts(SourceSpec.files(format, "text", path)), format);
    }
    String text = directory.resolve("text").toString();
    rows.write().text(text);
    assertEquals(TEXTS, texts(SourceSpec.files("text", null, text)));
    rows.createOrReplaceTempView("some_texts");
    assertEquals(TEXTS, texts(SourceSpec.table("some_texts", "text")));
  }

  @Test
  void arrowFilesGiveBackTheirTextsInTheOrderOfNames() throws Exception {
    Path folder = Files.createDirectories(directory.resolve("with space"));
    writeTexts(folder.resolve("a.arrow"), TEXTS.subList(0, 2), false);
    writeTexts(folder.resolve("b.feather"), TEXTS.subList(2, 3), true);
    assertEquals(TEXTS, texts(SourceSpec.files("arrow", "text", folder.toString())));
    String glob = folder + "/*.feather";
    assertEquals(TEXTS.subList(2, 3), texts(SourceSpec.files("feather", "text", glob)));
  }

  @Test
  void dictionaryEncodedTextsAreResolved() throws Exception {
    Path file = directory.resolve("categories.arrow");
    try (BufferAllocator memory = new RootAllocator();
        VarCharVector values = new VarCharVector("values", memory);
        VarCharVector plain = new VarCharVector("text", memory)) {
      fill(values, List.of("low", "high"));
      fill(plain, List.of("high", "low", "high"));
      Dictionary dictionary = new Dictionary(values, new DictionaryEncoding(1, false, null));
      try (FieldVector encoded = (FieldVector) DictionaryEncoder.encode(plain, dictionary)) {
        write(file, encoded, new MapDictionaryProvider(dictionary), 3, false);
      }
    }
    assertEquals(
        List.of("high", "low", "high"), texts(SourceSpec.files("arrow", "text", "" + file)));
  }

  @Test
  void listsOfIdsComeAsArrays() throws Exception {
    Path file = directory.resolve("ids.arrow");
    try (BufferAllocator memory = new RootAllocator();
        ListVector ids = ListVector.empty("tokens", memory)) {
      UnionListWriter writer = ids.getWriter();
      for (int row = 0; row < 2; row++) {
        writer.startList();
        writer.integer().writeInt(row);
        writer.integer().writeInt(7);
        writer.endList();
      }
      ids.setValueCount(2);
      write(file, ids, null, 2, false);
    }
    SourceSpec source = SourceSpec.files("arrow", "text", "" + file).withTokens("tokens");
    List<Row> rows = Sources.open(spark, source, Set.of("tokens")).collectAsList();
    assertEquals(List.of(0, 7), rows.get(0).getList(0));
    assertEquals(List.of(1, 7), rows.get(1).getList(0));
  }

  @Test
  void anArrowFileCutOffOrOfAnotherSchemaIsNamed() throws Exception {
    Path whole = directory.resolve("a.arrow");
    writeTexts(whole, TEXTS, false);
    byte[] bytes = Files.readAllBytes(whole);
    Path cut = Files.write(directory.resolve("cut.arrow"), Arrays.copyOf(bytes, 300));
    expect(cut, "text", "is not an Arrow IPC file");
    expect(whole, "test", "did you mean 'text'?");
    try (BufferAllocator memory = new RootAllocator();
        IntVector numbers = new IntVector("text", memory)) {
      numbers.allocateNew(1);
      numbers.set(0, 1);
      numbers.setValueCount(1);
      write(directory.resolve("z.arrow"), numbers, null, 1, false);
    }
    Files.delete(cut);
    Dataset<Row> mixed =
        Sources.open(
            spark, SourceSpec.files("arrow", "text", directory + "/*.arrow"), Set.of("text"));
    DataException error = assertThrows(DataException.class, () -> collect(mixed));
    assertTrue(error.getMessage().contains("expected string"), error.getMessage());
  }

  @Test
  void filesOfASourceAreListedAndATableInMemoryHasNone() throws Exception {
    Path text = Files.writeString(directory.resolve("a b.txt"), "x");
    SourceSpec source = SourceSpec.files("text", "value", text.toString());
    Dataset<Row> rows = Sources.open(spark, source, Set.of("value"));
    assertEquals(1, Sources.files(spark, source, rows).size());
    spark.createDataset(TEXTS, Encoders.STRING()).createOrReplaceTempView("in_memory");
    SourceSpec table = SourceSpec.table("in_memory", "value");
    assertEquals(List.of(), Sources.files(spark, table, spark.table("in_memory")));
  }

  private static void collect(Dataset<Row> rows) {
    try {
      rows.collectAsList();
    } catch (Exception e) {
      throw DataException.of("collecting", e);
    }
  }

  private void expect(Path file, String column, String part) {
    SourceSpec source = SourceSpec.files("arrow", column, file.toString());
    DataException error =
        assertThrows(DataException.class, () -> Sources.open(spark, source, Set.of(column)));
    assertTrue(error.getMessage().contains(part), error.getMessage());
  }

  private List<String> texts(SourceSpec source) {
    return Sources.open(spark, source, new TreeSet<>(Set.of(source.column())))
        .select(source.column())
        .as(Encoders.STRING())
        .collectAsList();
  }

  private static void writeTexts(Path file, List<String> texts, boolean compressed)
      throws Exception {
    try (BufferAllocator memory = new RootAllocator();
        VarCharVector vector = new VarCharVector("text", memory)) {
      fill(vector, texts);
      write(file, vector, null, texts.size(), compressed);
    }
  }

  private static void fill(VarCharVector vector, List<String> texts) {
    vector.allocateNew();
    for (int i = 0; i < texts.size(); i++) {
      vector.setSafe(i, texts.get(i).getBytes(StandardCharsets.UTF_8));
    }
    vector.setValueCount(texts.size());
  }

  private static void write(
      Path file,
      FieldVector vector,
      MapDictionaryProvider dictionaries,
      int rows,
      boolean compressed)
      throws Exception {
    CodecType codec = compressed ? CodecType.ZSTD : CodecType.NO_COMPRESSION;
    VectorSchemaRoot root = new VectorSchemaRoot(List.of(vector));
    root.setRowCount(rows);
    try (OutputStream out = Files.newOutputStream(file);
        ArrowFileWriter writer =
            new ArrowFileWriter(
                root,
                dictionaries == null ? new MapDictionaryProvider() : dictionaries,
                Channels.newChannel(out),
                Map.of(),
                IpcOption.DEFAULT,
                compressed
                    ? CommonsCompressionFactory.INSTANCE
                    : NoCompressionCodec.Factory.INSTANCE,
                codec)) {
      writer.writeBatch();
    }
  }
}
