package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.config.Cuttlefish;
import dev.sparrow.config.ModelShape;
import dev.sparrow.config.RunConfig;
import dev.sparrow.config.Train;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CuttlefishPlanTest {
  private static List<String> cells(CuttlefishPlan plan) {
    return new SeedRuns<CuttlefishCase, CuttlefishRun>(plan.cases(), plan.seeds())
        .cells().stream().map(cell -> cell.seed() + " " + cell.which().name()).toList();
  }

  @Test
  void allFormsOfATaskStandSideBySideAndAllTasksOfASeedBeforeTheNext() {
    List<String> cells = cells(CuttlefishPlan.of(false, false, List.of()));
    assertEquals(60, cells.size());
    assertEquals(
        List.of(
            "1 mlp, full rank",
            "1 mlp, paper's rule",
            "1 mlp, automatic",
            "1 mlp, fixed, 1/4",
            "1 mlp, fixed, 1/8",
            "1 resnet, full rank"),
        cells.subList(0, 6));
    assertEquals("1 gpt, fixed, 1/8", cells.get(19));
    assertEquals("2 mlp, full rank", cells.get(20));
    assertEquals("3 gpt, fixed, 1/8", cells.get(59));
  }

  @Test
  void reducedOneSeedOfTwoTasksIsRunAtFullAndAutomaticRank() {
    CuttlefishPlan plan = CuttlefishPlan.of(false, true, List.of());
    assertEquals(
        List.of("1 mlp, full rank", "1 mlp, automatic", "1 gpt, full rank", "1 gpt, automatic"),
        cells(plan));
    CuttlefishCase mlp = plan.cases().get(0);
    long whole = mlp.config(1, 1).train().steps();
    assertTrue(mlp.config(1, plan.share()).train().steps() < whole);
  }

  @Test
  void tasksThatAreAskedForStandInPlaceOfTheUsualOnes() {
    CuttlefishPlan plan = CuttlefishPlan.of(false, false, List.of(CuttlefishTask.VIT));
    assertEquals(15, cells(plan).size());
    assertTrue(cells(plan).stream().allMatch(cell -> cell.contains("vit")));
  }

  @Test
  void aGpuTrainsResNet18AtFullAndAutomaticRank() {
    CuttlefishPlan plan = CuttlefishPlan.of(true, false, List.of());
    assertEquals(List.of("1 resnet18, full rank", "1 resnet18, automatic"), cells(plan));
    RunConfig config = plan.cases().get(1).config(1, plan.share());
    assertEquals(ModelShape.Kind.RESNET, config.model().kind());
    assertEquals(18, config.model().depth());
    assertEquals(64, config.model().width());
    assertEquals(1024, config.train().batch());
    assertEquals(Train.BackendChoice.CUDA, config.train().backend());
    assertEquals(0.8, config.optimizer().learningRate());
    assertEquals(1e-4, config.optimizer().weightDecay());
    assertEquals(Cuttlefish.Rule.AUTO, config.cuttlefish().rule());
  }

  @ParameterizedTest
  @EnumSource(CuttlefishTask.class)
  void formsOfATaskDifferInTheMethodAlone(CuttlefishTask task) {
    RunConfig full = new CuttlefishCase(task, LowRankForm.FULL).config(2, 1);
    assertEquals("dense", full.method().name());
    assertEquals(2, full.train().seed());
    assertEquals(task.readsText(), !full.model().kind().classifiesImages());
    assertTrue(full.schedule().milestones().stream().allMatch(step -> step < full.train().steps()));
    for (LowRankForm form : LowRankForm.values()) {
      RunConfig config = new CuttlefishCase(task, form).config(2, 1);
      assertEquals(full.model(), config.model());
      assertEquals(full.data(), config.data());
      assertEquals(full.optimizer(), config.optimizer());
      assertEquals(full.schedule(), config.schedule());
      assertEquals(full.train(), config.train());
      assertEquals(form != LowRankForm.FULL, config.method().isCuttlefish());
    }
    RunConfig eighth = new CuttlefishCase(task, LowRankForm.EIGHTH).config(2, 1);
    assertEquals(Cuttlefish.Rule.FIXED, eighth.cuttlefish().rule());
    assertEquals(0.125, eighth.cuttlefish().ratio());
  }

  @Test
  void aShorterRunHasAShorterSchedule() {
    CuttlefishCase which = new CuttlefishCase(CuttlefishTask.RESNET18, LowRankForm.AUTO);
    RunConfig whole = which.config(1, 1);
    RunConfig half = which.config(1, 0.5);
    assertEquals(whole.train().steps() / 2, half.train().steps());
    assertEquals(whole.schedule().warmupSteps() / 2, half.schedule().warmupSteps());
    assertEquals(
        whole.schedule().milestones().stream().map(step -> step / 2).toList(),
        half.schedule().milestones());
  }

  @Test
  void imagesOfAllTasksAreShardedAlike() {
    RunConfig mlp = CuttlefishTask.MLP.recipe().with(List.of());
    for (CuttlefishTask task : CuttlefishTask.values()) {
      RunConfig config = task.recipe().with(List.of());
      if (!task.readsText()) {
        assertEquals(mlp.data(), config.data(), task.word());
        assertEquals(mlp.image(), config.image(), task.word());
      }
    }
  }

  @Test
  void tasksWithoutTheirDataAreRefused() {
    List<CuttlefishTask> all = CuttlefishPlan.of(false, false, List.of()).tasks();
    Exception error =
        assertThrows(
            IllegalArgumentException.class, () -> new CuttlefishSources(null, "t").require(all));
    assertTrue(error.getMessage().contains("--data FOLDER"), error.getMessage());
    assertTrue(error.getMessage().contains("mlp, resnet, vit"), error.getMessage());
    assertTrue(error.getMessage().contains("--tasks"), error.getMessage());
    error =
        assertThrows(
            IllegalArgumentException.class, () -> new CuttlefishSources("d", null).require(all));
    assertTrue(error.getMessage().contains("--text FOLDER"), error.getMessage());
    assertTrue(error.getMessage().contains("gpt"), error.getMessage());
    new CuttlefishSources("d", null).require(List.of(CuttlefishTask.MLP));
    new CuttlefishSources(null, "t").require(List.of(CuttlefishTask.GPT));
  }

  @Test
  void seedsMayBeFewerOrMore() {
    CuttlefishPlan usual = CuttlefishPlan.of(false, false, List.of());
    CuttlefishPlan one = usual.withSeeds(1);
    assertEquals(1, one.seeds());
    assertEquals(usual.cases(), one.cases());
    assertEquals(usual.share(), one.share());
    Exception none = assertThrows(IllegalArgumentException.class, () -> usual.withSeeds(0));
    assertEquals("seeds: expected 1 or more, got 0", none.getMessage());
  }

  @Test
  void aPlanWithoutItsBaselineIsRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new CuttlefishPlan(List.of(CuttlefishTask.MLP), List.of(LowRankForm.AUTO), 1, 1));
  }
}
