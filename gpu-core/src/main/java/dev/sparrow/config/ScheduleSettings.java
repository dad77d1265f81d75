package dev.sparrow.config;

import java.util.List;

/**
 * Learning rate over the steps. Keys {@code schedule.*}; conf/reference.conf tells each one's
 * meaning, unit and range.
 */
public record ScheduleSettings(
    Kind name, int warmupSteps, double finalShare, List<Integer> milestones, double stepFactor) {
  public enum Kind {
    COSINE,
    LINEAR,
    CONSTANT,
    STEP
  }
}
