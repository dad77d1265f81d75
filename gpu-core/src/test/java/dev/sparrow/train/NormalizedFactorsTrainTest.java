package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.checkpoint.HostTensor;
import dev.sparrow.checkpoint.LocalFileStore;
import dev.sparrow.checkpoint.ModelExport;
import dev.sparrow.checkpoint.ModelFile;
import dev.sparrow.checkpoint.SafeTensorsWriter;
import dev.sparrow.collective.Collective;
import dev.sparrow.collective.LocalCollective;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.BatchPlan;
import dev.sparrow.data.BatchSource;
import dev.sparrow.model.Model;
import dev.sparrow.model.Models;
import dev.sparrow.nn.ConvNorm;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.Method;
import dev.sparrow.tensor.DType;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole runs whose convolutions give way to factors with a batch normalisation between them. */
class NormalizedFactorsTrainTest {
  private static final String[] RESNET = {
    "model.kind=resnet", "model.depth=8", "model.width=8", "train.batch=24", "train.steps=10"
  };
  private static final String[] NORMALISED = {
    "method.name=cuttlefish",
    "cuttlefish.rule=pufferfish",
    "cuttlefish.ratio=0.5",
    "cuttlefish.switch-step=4",
    "cuttlefish.batch-norm=true"
  };

  private static ToyRun run(String... more) {
    return new ToyRun(new StripesTask(), settings(more));
  }

  private static String[] settings(String... more) {
    List<String> all = new ArrayList<>(List.of(RESNET));
    all.addAll(List.of(NORMALISED));
    all.addAll(List.of(more));
    return all.toArray(String[]::new);
  }

  /** Killed before, at and after the switch, and from factors that were there from the start. */
  @Test
  void aResumedRunGivesTheSameBits(@TempDir Path directory) {
    for (String rule : new String[] {"pufferfish", "fixed"}) {
      String form = "cuttlefish.rule=" + rule;
      ToyRun.Result whole = run(form).alone();
      for (int stop : new int[] {3, 4, 6}) {
        Path own = directory.resolve(rule + stop);
        run(form).checkpoints(own).hook((step, arena, backend) -> step == stop).alone();
        ToyRun.Result resumed = run(form).checkpoints(own).alone();
        assertEquals(stop + 1, resumed.rows().get(0).step());
        assertArrayEquals(whole.weights(), resumed.weights(), rule + " from step " + stop);
        assertEquals(whole.summary().validationLoss(), resumed.summary().validationLoss());
      }
    }
  }

  /** Rank 0 measures, all take part in being told. */
  @Test
  void ranksHoldTheSameFactorsAndStatistics() throws Exception {
    List<ToyRun.Result> two = run().ranks(2);
    assertArrayEquals(two.get(0).weights(), two.get(1).weights());
    assertEquals(
        two.get(0).summary().validationLoss(), two.get(1).summary().validationLoss(), 1e-6);
  }

  /** At full rank, the loss of the next step is the whole model's, as far as batches are alike. */
  @Test
  void theLossGoesOnAtTheSwitch() {
    String[] long40 = {"train.steps=42", "cuttlefish.switch-step=40", "cuttlefish.ratio=1"};
    List<Double> normalised = run(long40).alone().losses();
    List<String> dense = new ArrayList<>(List.of(RESNET));
    dense.add("train.steps=42");
    List<Double> whole =
        new ToyRun(new StripesTask(), dense.toArray(String[]::new)).alone().losses();
    assertEquals(whole.subList(0, 40), normalised.subList(0, 40));
    assertEquals(whole.get(40), normalised.get(40), 0.05, "the step after");
  }

  @Test
  void theMergedModelGivesTheFactorsLoss(@TempDir Path directory) throws IOException {
    run("train.steps=30").checkpoints(directory).alone();
    ModelFile saved = file(directory.resolve("step-00000030/model.safetensors"));
    List<String> names = saved.tensors().stream().map(HostTensor::name).toList();
    assertTrue(names.contains("stages.0.0.conv1.weight.norm.running_var"), names.toString());
    double expected = loss(saved, settings());
    ModelExport.Exported merged =
        new ModelExport(ModelExport.Form.DENSE, DType.F32)
            .of(saved.tensors(), Map.of(), ConvNorm::normOf);
    assertFalse(merged.lowRank().isEmpty());
    Path target = directory.resolve("merged.safetensors");
    try (OutputStream out = Files.newOutputStream(target)) {
      SafeTensorsWriter.write(out, merged.metadata(), merged.tensors());
    }
    assertEquals(expected, loss(file(target), settings("method.name=dense")), 1e-4);
  }

  private static ModelFile file(Path path) {
    return new ModelFile(new LocalFileStore(), path.toString());
  }

  /** Over the validation rows, by the running statistics. */
  private static double loss(ModelFile file, String... settings) {
    RunConfig config = ConfigParser.parse("", "toy", List.of(settings));
    StripesTask task = new StripesTask();
    BatchPlan plan = BatchPlan.of(24, 0, 0, 1);
    try (Backend backend = new CpuBackend(1);
        Workspace workspace = new Workspace(backend);
        Collective alone = new LocalCollective()) {
      Method method = Models.method(backend, config);
      Model model = task.model(backend, config, method);
      method.fit(file.shapes().byName());
      model.parametersChanged();
      try (ParameterArena arena = new ParameterArena(backend, model.parameters());
          BatchSource rows = task.validation(config, plan, backend::hostInts)) {
        model.reserve(workspace, 24);
        file.load(backend, ModelTensors.of(arena, model.buffers()));
        method.loaded();
        return new Evaluator(model, alone).evaluate(rows).loss();
      }
    }
  }
}
