package dev.sparrow.spark.job;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.checkpoint.LocalFileStore;
import dev.sparrow.checkpoint.ModelExport;
import dev.sparrow.checkpoint.ModelExport.Form;
import dev.sparrow.checkpoint.ModelExport.SparseWeight;
import dev.sparrow.checkpoint.SafeTensorsReader;
import dev.sparrow.checkpoint.TensorInfo;
import dev.sparrow.config.RunConfig;
import dev.sparrow.spark.LocalSpark;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs are trained, exported in every form and read back by the jobs that take a run. */
class ExportTest {
  private static final Configuration HADOOP = new Configuration();
  @TempDir private static Path shared;
  private static Path corpus;
  private static SparkSession spark;

  @TempDir Path directory;

  @BeforeAll
  static void open() throws IOException {
    corpus = TinyRun.corpus(shared);
    spark = LocalSpark.session();
  }

  private RunConfig config(String... more) {
    List<String> settings =
        new ArrayList<>(
            List.of(
                "data.shards=" + shared.resolve("shards"),
                "method.name=uniform",
                "uniform.schedule=static",
                "uniform.products=sparse", // repeats to the bit
                "train.steps=6"));
    settings.addAll(List.of(more));
    return TinyRun.config(corpus, directory.resolve("run"), settings.toArray(String[]::new));
  }

  private double train(RunConfig config) {
    TrainJob.Trained trained =
        new TrainJob(spark, config, new Followed()).run(new TrainJob.Mode(true, false));
    return ((Number) trained.summary().get("validation_loss")).doubleValue();
  }

  private ExportJob.Written export(String name, Form form, DType values) {
    return ExportJob.run(
        HADOOP,
        directory.resolve("run").toString(),
        directory.resolve(name + ".safetensors").toString(),
        new ModelExport(form, values),
        false);
  }

  /** By the settings that the file itself holds. */
  private static double evaluate(String model) {
    RunConfig own = SavedModel.at(HADOOP, model).config(List.of());
    return new EvaluateJob(spark, own, model).run().loss();
  }

  private static Map<String, TensorInfo> header(String file) throws IOException {
    Path path = Path.of(file);
    try (SafeTensorsReader reader =
        new SafeTensorsReader(Files.newInputStream(path), Files.size(path), file)) {
      return reader.tensors();
    }
  }

  @ParameterizedTest
  @CsvSource({"uniform", "bank", "group", "doubly"})
  void filesOfEveryFormatGiveTheLossOfTheRun(String format) throws IOException {
    double expected =
        train(
            config("uniform.format=" + format, "uniform.sparsity=0.75", "uniform.bank-columns=16"));
    assertEquals(expected, evaluate(directory.resolve("run").toString()));
    assertEquals(expected, evaluate(export("exact", Form.SPARSE, DType.F32).path()));
    assertEquals(expected, evaluate(export("whole", Form.DENSE, DType.F32).path()), 1e-5);
    // Each weight is off by 2^-9 of itself at most, at random: a loss of 5 nats moves far less.
    double half = evaluate(export("small", Form.SPARSE, DType.BF16).path());
    assertEquals(expected, half, 5e-3);
    // Twice the same rounded weights.
    assertEquals(half, evaluate(export("wholeSmall", Form.DENSE, DType.BF16).path()), 1e-5);
  }

  /** The file's sums go over the non-zeros alone, the run's over whole rows. */
  @Test
  void aRunMultipliedWholeIsExportedByItsNonZeros() throws IOException {
    double expected = train(config("uniform.products=dense"));
    assertEquals(expected, evaluate(directory.resolve("run").toString()));
    ExportJob.Written written = export("exact", Form.SPARSE, DType.F32);
    assertFalse(written.model().sparse().isEmpty());
    assertEquals(expected, evaluate(written.path()), 1e-5);
  }

  @Test
  void rowsThatAreOffAreNotInTheFile() throws IOException {
    RunConfig config =
        config(
            "uniform.schedule=rigl",
            "uniform.sparsity=0.9",
            "uniform.ablation=0.5",
            "uniform.update-every=2",
            "uniform.end-step=10",
            "train.steps=12");
    double expected = train(config);
    ExportJob.Written written = export("ablated", Form.SPARSE, DType.F32);
    Map<String, TensorInfo> header = header(written.path());
    SparseWeight some =
        written.model().sparse().stream()
            .filter(w -> w.pattern().liveRows() < w.pattern().rows())
            .findFirst()
            .orElseThrow(() -> new AssertionError("expected rows that are off"));
    UniformPattern pattern = some.pattern();
    assertEquals(Files.size(Path.of(written.path())), written.bytes());
    assertEquals(
        Shape.of(pattern.liveRows(), pattern.fanIn()), header.get(some.name() + ".values").shape());
    assertTrue(header.containsKey(some.name() + ".groups"));
    assertEquals(expected, evaluate(written.path()));
    assertEquals(expected, evaluate(export("whole", Form.DENSE, DType.F32).path()), 1e-5);
  }

  @Test
  void anExportedFileGeneratesAndIsTrainedOn() {
    RunConfig config = config("uniform.format=group", "generate.temperature=0");
    double expected = train(config);
    ExportJob.Written written = export("exact", Form.SPARSE, DType.F32);
    try (Backend backend = RankBackend.driversCpu()) {
      SavedModel run = SavedModel.at(HADOOP, directory.resolve("run").toString());
      SavedModel file = SavedModel.at(HADOOP, written.path());
      assertEquals(
          GenerateJob.run(config, run, backend),
          GenerateJob.run(file.config(List.of()), file, backend));
    }
    double tuned =
        train(
            config(
                "uniform.format=group",
                "train.from=" + written.path(),
                "train.steps=1",
                "output.path=" + directory.resolve("tuned"),
                "optimizer.learning-rate=1e-9"));
    assertEquals(expected, tuned, 1e-4);
    RunConfig nowhere = config("train.from=" + directory.resolve("none.safetensors"));
    JobException error = assertThrows(JobException.class, () -> train(nowhere));
    assertTrue(error.getMessage().startsWith("train.from: expected"), error::getMessage);
  }

  @Test
  void expertsStayUnderADenseExportsMethod() {
    double expected = train(config("method.name=moe+uniform"));
    ExportJob.Written written = export("whole", Form.DENSE, DType.F32);
    RunConfig own = SavedModel.at(HADOOP, written.path()).config(List.of());
    assertEquals("moe", own.method().name());
    assertEquals(expected, evaluate(written.path()), 1e-5);
  }

  @ParameterizedTest
  @CsvSource({"cuttlefish, dense", "moe+cuttlefish, moe"})
  void lowRankModelsAreExportedAsFactorsOrWhole(String method, String whole) throws IOException {
    String[] settings = {
      "method.name=" + method,
      "cuttlefish.rule=pufferfish",
      "cuttlefish.switch-step=3",
      "generate.temperature=0"
    };
    double expected = train(config(settings));
    assertEquals(expected, evaluate(directory.resolve("run").toString()));
    ExportJob.Written factors = export("exact", Form.SPARSE, DType.F32);
    assertEquals(8, factors.model().lowRank().size());
    assertEquals(expected, evaluate(factors.path()));
    ExportJob.Written merged = export("whole", Form.DENSE, DType.F32);
    assertEquals(expected, evaluate(merged.path()), 1e-5);
    assertEquals(whole, SavedModel.at(HADOOP, merged.path()).config(List.of()).method().name());
    ExportJob.Written small = export("small", Form.SPARSE, DType.BF16);
    assertTrue(small.bytes() < export("wholeSmall", Form.DENSE, DType.BF16).bytes());
    assertEquals(expected, evaluate(small.path()), 5e-3);
    String key = "blocks.0.feed_forward." + (whole.equals("moe") ? "experts.up" : "up");
    assertTrue(header(small.path()).containsKey(key + ".weight.u"));
    assertTrue(header(merged.path()).containsKey(key + ".weight"));
    try (Backend backend = RankBackend.driversCpu()) {
      SavedModel run = SavedModel.at(HADOOP, directory.resolve("run").toString());
      SavedModel file = SavedModel.at(HADOOP, factors.path());
      assertEquals(
          GenerateJob.run(run.config(List.of()), run, backend),
          GenerateJob.run(file.config(List.of()), file, backend));
    }
    List<String> more = new ArrayList<>(List.of(settings));
    more.addAll(
        List.of(
            "train.from=" + factors.path(),
            "train.steps=4",
            "output.path=" + directory.resolve("tuned"),
            "optimizer.learning-rate=1e-9"));
    assertEquals(expected, train(config(more.toArray(String[]::new))), 1e-4);
    String table = Inspection.of(factors.path(), HADOOP, List.of(), new SparkConf(false)).table();
    assertTrue(table.contains("low-rank, rank 8"), table);
  }

  @Test
  void aDenseRunIsExportedWithoutPatterns() throws IOException {
    double expected = train(config("method.name=dense"));
    ExportJob.Written written = export("half", Form.SPARSE, DType.BF16);
    assertTrue(written.model().sparse().isEmpty());
    assertTrue(
        header(written.path()).values().stream().allMatch(info -> info.dtype() == DType.BF16));
    assertEquals(expected, evaluate(written.path()), 5e-3);
  }

  @Test
  void aTokenizerOfTheUsersOwnTravelsInTheFile() throws IOException {
    Path json = directory.resolve("tokenizer.json");
    try (InputStream in = getClass().getResourceAsStream("/tiny-tokenizer.json")) {
      Files.copy(in, json);
    }
    Path text = directory.resolve("text.txt");
    Files.write(text, IntStream.range(1, 100).mapToObj("the cat sat on the mat "::repeat).toList());
    train(
        config(
            "data.path=" + text,
            "data.shards=" + directory.resolve("own"),
            "tokenizer.kind=huggingface",
            "tokenizer.path=" + json,
            "generate.prompt=the cat"));
    SavedModel run = SavedModel.at(HADOOP, directory.resolve("run").toString());
    SavedModel file = SavedModel.at(HADOOP, export("exact", Form.SPARSE, DType.F32).path());
    try (Backend backend = RankBackend.driversCpu()) {
      String expected = GenerateJob.run(run.config(List.of()), run, backend);
      new LocalFileStore().delete(directory.resolve("run").toString());
      Files.delete(json);
      assertEquals(expected, GenerateJob.run(file.config(List.of()), file, backend));
    }
  }

  /** Shards do not travel, so their files are not named; all else of the manifest is there. */
  @Test
  void theFileTellsSettingsAndTokenizer() {
    RunConfig config = config();
    train(config);
    SavedModel run = SavedModel.at(HADOOP, directory.resolve("run").toString());
    SavedModel file = SavedModel.at(HADOOP, export("small", Form.SPARSE, DType.BF16).path());
    assertEquals(run.config(List.of()).text(), file.config(List.of()).text());
    assertEquals(run.manifest().content(), file.manifest().content());
    assertEquals(run.manifest().train().rows(), file.manifest().train().rows());
    assertFalse(run.manifest().train().files().isEmpty());
    assertTrue(file.manifest().train().files().isEmpty());
    assertEquals(run.patterns(), file.patterns());
  }
}
