package dev.sparrow.spark.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SeedRunsTest {
  private record Step(String name, String pace) implements SeedRuns.Case {}

  private record Done(String name, long seed, String settings, double seconds)
      implements SeedRuns.Run {}

  private static final Step WALK = new Step("walk", "slow");
  private static final Step RUN = new Step("run", "fast");

  @TempDir Path directory;

  /** Settings change with a version; tells what was tried and made. */
  private static final class Making implements SeedRuns.Work<Step, Done> {
    private final String version;
    private final List<String> made = new ArrayList<>();

    Making(String version) {
      this.version = version;
    }

    @Override
    public String settings(SeedRuns.Cell<Step> cell) {
      return cell.which().name() + cell.seed() + version;
    }

    @Override
    public double trial(Step which) {
      made.add("trial of " + which.name());
      return which.equals(WALK) ? 3600 : 60;
    }

    @Override
    public Done run(SeedRuns.Cell<Step> cell, String settings) {
      made.add(cell.which().name() + " " + cell.seed());
      return new Done(
          cell.which().name(), cell.seed(), settings, cell.which().equals(WALK) ? 100 : 10);
    }

    @Override
    public String words(Step which, Done run) {
      return "ended";
    }
  }

  private RunLog<Done> log() throws IOException {
    return new RunLog<>(directory.resolve("work/runs.jsonl"), Done.class);
  }

  private static SeedRuns<Step, Done> runs() {
    return new SeedRuns<>(List.of(WALK, RUN), 2);
  }

  @Test
  void allCasesOfASeedComeBeforeTheNextSeedAndEachPaceIsTriedOnce() throws IOException {
    Making work = new Making("a");
    List<String> told = new ArrayList<>();
    runs().finish(log(), work, told::add);
    assertEquals(
        List.of("trial of walk", "trial of run", "walk 1", "run 1", "walk 2", "run 2"), work.made);
    assertEquals(
        List.of(
            "4 runs to do: about 2:02:00",
            "walk  seed 1  ended  100 s  0:03:40 left",
            "run   seed 1  ended  10 s  0:01:50 left",
            "walk  seed 2  ended  100 s  0:00:10 left",
            "run   seed 2  ended  10 s  0:00:00 left"),
        told);
  }

  @Test
  void onlyRunsThatAreMissingAreMade() throws IOException {
    RunLog<Done> log = log();
    log.add(new Done("walk", 1, "walk1a", 100));
    log.add(new Done("run", 2, "run2a", 10));
    SeedRuns<Step, Done> runs = runs();
    Making work = new Making("a");
    runs.finish(log, work, line -> {});
    assertEquals(List.of("trial of run", "trial of walk", "run 1", "walk 2"), work.made);
    assertEquals(2, runs.of(WALK).size());
    assertEquals(4, log().runs().size());

    Making again = new Making("a");
    runs().finish(log(), again, line -> {});
    assertEquals(List.of(), again.made);
  }

  @Test
  void runsOfOtherSettingsAreNotTaken() throws IOException {
    runs().finish(log(), new Making("a"), line -> {});
    assertEquals(4, runs().take(log().runs(), new Making("b")).size());
    assertEquals(0, runs().take(log().runs(), new Making("a")).size());
  }

  @Test
  void timeLeftFollowsTheNewestRunsSlowly() {
    TimeLeft left = new TimeLeft();
    for (int i = 0; i < 3; i++) {
      left.toDo("", () -> 7);
    }
    assertEquals(21, left.seconds());
    left.done("", 10);
    assertEquals(20, left.seconds());
    left.done("", 20);
    assertEquals(12, left.seconds(), 1e-9);
  }

  @Test
  void finishedRunsAreFoundAgain() throws IOException {
    RunLog<Done> log = log();
    log.add(new Done("walk", 1, "walk1a", 0.25));
    log.add(new Done("walk", 2, "walk2a", Double.NaN));
    assertEquals(log.runs(), log().runs());
    assertTrue(Double.isNaN(log().runs().get(1).seconds()));
    Files.writeString(directory.resolve("work/runs.jsonl"), "{torn\n");
    Exception error = assertThrows(IllegalArgumentException.class, this::log);
    assertTrue(error.getMessage().contains("expected a finished run a line"), error.getMessage());
  }
}
