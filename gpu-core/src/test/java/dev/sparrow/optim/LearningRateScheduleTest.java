package dev.sparrow.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.config.ScheduleSettings;
import dev.sparrow.config.ScheduleSettings.Kind;
import java.util.List;
import org.junit.jupiter.api.Test;

class LearningRateScheduleTest {
  private static LearningRateSchedule schedule(Kind kind, int warmup, long steps) {
    return LearningRateSchedule.of(
        new ScheduleSettings(kind, warmup, 0.1, List.of(4, 6), 0.5), 0.01, steps);
  }

  private static void assertRates(LearningRateSchedule schedule, double... expected) {
    for (int done = 0; done < expected.length; done++) {
      assertEquals(expected[done], schedule.rate(done), 1e-15, "after " + done + " updates");
    }
  }

  /** torch.optim.lr_scheduler.CosineAnnealingLR(T_max=4, eta_min=0.001) from 0.01. */
  @Test
  void cosineIsThatOfPyTorch() {
    assertRates(
        schedule(Kind.COSINE, 0, 4),
        0.01,
        0.008681980515339464,
        0.0055,
        0.002318019484660537,
        0.001,
        0.001);
  }

  @Test
  void warmUpReachesThePeakAndHandsOver() {
    assertRates(
        schedule(Kind.COSINE, 4, 8),
        0.0025,
        0.005,
        0.0075,
        0.01,
        0.01,
        0.008681980515339464,
        0.0055,
        0.002318019484660537,
        0.001);
  }

  @Test
  void linearFallsToItsShare() {
    assertRates(schedule(Kind.LINEAR, 0, 4), 0.01, 0.00775, 0.0055, 0.00325, 0.001, 0.001);
  }

  @Test
  void constantStays() {
    assertRates(schedule(Kind.CONSTANT, 2, 4), 0.005, 0.01, 0.01, 0.01, 0.01);
  }

  @Test
  void stepFallsAtItsMilestones() {
    assertRates(
        schedule(Kind.STEP, 0, 9), 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025, 0.0025);
  }

  @Test
  void aRunShorterThanItsWarmUpKeepsWarming() {
    assertRates(schedule(Kind.COSINE, 4, 2), 0.0025, 0.005);
  }

  @Test
  void clippingIsThatOfPyTorch() {
    assertEquals(1, new GradientClipping(1).scale(0.5));
    assertEquals(1, new GradientClipping(0).scale(1e9));
    assertEquals(0.5 / (2 + 1e-6), new GradientClipping(0.5).scale(2));
  }
}
