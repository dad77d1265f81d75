package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.checkpoint.CheckpointStore;
import dev.sparrow.checkpoint.LocalFileStore;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DivergenceTest {
  private static final String POISONED = "blocks.1.attention.qkv.weight";

  @TempDir Path directory;

  private static ToyRun.Hook poisonAt(long at) {
    return (step, arena, backend) -> {
      if (step == at) {
        poison(arena, backend);
      }
      return false;
    };
  }

  private static void poison(ParameterArena arena, Backend backend) {
    Parameter parameter =
        arena.parameters().stream()
            .filter(p -> p.name().equals(POISONED))
            .findFirst()
            .orElseThrow();
    backend.upload(new float[] {Float.NaN}, 0, parameter.value().window(5, 1));
  }

  private List<Long> steps() throws IOException {
    return new CheckpointStore(new LocalFileStore(), directory.toString(), 1).steps();
  }

  @Test
  void nanLossStopsAndNamesStepAndLayer() throws IOException {
    ToyRun run = new ToyRun("checkpoint.every=2").checkpoints(directory).hook(poisonAt(5));
    TrainingDivergedException error = assertThrows(TrainingDivergedException.class, run::alone);
    assertEquals(6, error.step());
    assertTrue(
        error
            .getMessage()
            .startsWith(
                "training diverged at step 6: loss NaN, gradient norm NaN; first in the weights of "
                    + POISONED
                    + "[48, 16] (norm NaN); the last good checkpoint is of step 4;"),
        error.getMessage());
    assertEquals(List.of(4L), steps().subList(0, 1));
  }

  @Test
  void aStateThatIsNotFiniteIsNeverSaved() throws IOException {
    ToyRun run = new ToyRun("checkpoint.every=1").checkpoints(directory).hook(poisonAt(3));
    TrainingDivergedException error = assertThrows(TrainingDivergedException.class, run::alone);
    assertTrue(error.getMessage().contains("step 3: weights that are not finite"));
    assertEquals(2, steps().get(0));
  }

  @Test
  void gradientsThatOverflowAreNamed() {
    ToyRun run =
        new ToyRun()
            .hook(
                (step, arena, backend) -> {
                  if (step == 2) {
                    float[] infinite = {Float.POSITIVE_INFINITY};
                    backend.upload(infinite, 0, arena.parameters().get(3).gradient().window(0, 1));
                  }
                  return false;
                });
    Exception error = assertThrows(TrainingDivergedException.class, run::alone);
    assertTrue(
        error.getMessage().contains("gradient norm Infinity; first in the gradient of blocks.0."),
        error.getMessage());
    assertTrue(error.getMessage().contains("checkpoints are off"), error.getMessage());
  }

  @Test
  void allRanksStopAtTheSameStep() throws Exception {
    List<Long> steps =
        Ranks.run(
            2,
            ring -> {
              ToyRun run =
                  new ToyRun()
                      .hook(
                          (step, arena, backend) ->
                              ring.rank() == 1 && poisonAt(3).at(step, arena, backend));
              return assertThrows(TrainingDivergedException.class, () -> run.on(ring)).step();
            });
    assertEquals(List.of(4L, 4L), steps);
  }
}
