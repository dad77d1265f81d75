package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One update of a pattern at constant cost: the smallest weights of the layer are dropped, and
 * every group grows back to the common fan-in by the best scores among the columns that it has not
 * kept, those just dropped among them (Evci et al. 2020, alg. 1). Scores are gradients (RigL;
 * constant fan-in as SRigL, Lasby et al. 2024, §3.2) or random draws (SET).
 *
 * <p>A group with too few salient columns, those that stay or whose score is among the layer's
 * best, is switched off and its budget goes to the others (neuron ablation, Lasby et al.), as long
 * as those can hold it. Groups that hold more than the new fan-in are trimmed by magnitude.
 */
final class DropAndGrow {
  private static final float DROPPED = -1;
  private static final float KEPT = -1;

  private final PatternFormat format;
  private final UniformPattern pattern;
  private final float[] magnitudes; // (liveGroups, fanIn)
  private final float[] scores; // (groups, columns)
  private final int budget;
  private final TopColumns top = new TopColumns();

  /**
   * @param magnitudes of the pattern's columns, (liveGroups, fanIn), not negative
   * @param scores (groups, columns), not negative; those of columns kept are not looked at
   * @param budget columns of all groups together: what the layer started with
   */
  DropAndGrow(
      PatternFormat format,
      UniformPattern pattern,
      float[] magnitudes,
      float[] scores,
      int budget) {
    this.format = format;
    this.pattern = pattern;
    this.magnitudes = magnitudes;
    this.scores = scores;
    this.budget = budget;
  }

  /**
   * @param fraction of the layer's columns that are dropped
   * @param ablation share of the fan-in below which a group is switched off; 0: none is
   */
  UniformPattern next(double fraction, double ablation) {
    int drops = (int) Math.round(fraction * magnitudes.length);
    float[] kept = withoutSmallest(drops);
    List<Integer> live = ablation > 0 ? salientGroups(kept, drops, ablation) : everyLiveGroup();
    int fanIn = fanIn(live.size());
    int[] numbers = new int[live.size()];
    int[] indices = new int[live.size() * fanIn];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = pattern.liveGroupNumbers()[live.get(i)];
      fill(live.get(i), kept, fanIn, indices, i * fanIn);
    }
    return format.pattern(fanIn, numbers, indices);
  }

  private List<Integer> everyLiveGroup() {
    List<Integer> all = new ArrayList<>();
    for (int g = 0; g < pattern.liveGroups(); g++) {
      all.add(g);
    }
    return all;
  }

  /** The fan-in that spends the budget, in whole numbers a bank, within what there is. */
  private int fanIn(int liveGroups) {
    int perBank = Math.max(1, budget / liveGroups / format.banks());
    return Math.min(perBank, format.bankColumns()) * format.banks();
  }

  /** The magnitudes with the layer's smallest marked; of equal ones the last goes. */
  private float[] withoutSmallest(int drops) {
    int[] stay = new int[magnitudes.length - drops];
    top.choose(magnitudes, 0, magnitudes.length, stay.length, 0, stay, 0);
    float[] kept = new float[magnitudes.length];
    Arrays.fill(kept, DROPPED);
    for (int i : stay) {
      kept[i] = magnitudes[i];
    }
    return kept;
  }

  /**
   * Live groups with enough columns that stay or would be among the layer's best to grow; in any
   * case the most salient ones, as many as it takes to hold the budget.
   */
  private List<Integer> salientGroups(float[] kept, int drops, double ablation) {
    float threshold = growthThreshold(kept, drops);
    int[] counts = new int[pattern.liveGroups()];
    Arrays.setAll(counts, g -> salient(g, kept, threshold));
    double least =
        Math.min(Math.max(1, ablation * pattern.fanIn()), best(counts, groupsOfBudget()));
    List<Integer> salient = new ArrayList<>();
    for (int g = 0; g < counts.length; g++) {
      if (counts[g] >= least) {
        salient.add(g);
      }
    }
    return salient;
  }

  /** The count that so many groups reach, or all. */
  private static int best(int[] counts, int groups) {
    int[] ascending = counts.clone();
    Arrays.sort(ascending);
    return ascending[Math.max(0, counts.length - groups)];
  }

  /** Groups that the budget fills. */
  private int groupsOfBudget() {
    return Math.max(1, (budget + format.columns() - 1) / format.columns());
  }

  private int salient(int group, float[] kept, float threshold) {
    int count = 0;
    for (int i = 0; i < pattern.fanIn(); i++) {
      if (kept[group * pattern.fanIn() + i] != DROPPED) {
        count++;
      }
    }
    for (float score : freeScores(group, kept)) {
      if (score >= threshold && score > 0) {
        count++;
      }
    }
    return count;
  }

  /** The score that the layer's {@code count} best columns that are not kept reach. */
  private float growthThreshold(float[] kept, int count) {
    if (count == 0) {
      return Float.POSITIVE_INFINITY;
    }
    float[] all = new float[pattern.liveGroups() * format.columns()];
    for (int g = 0; g < pattern.liveGroups(); g++) {
      System.arraycopy(freeScores(g, kept), 0, all, g * format.columns(), format.columns());
    }
    return top.least(all, count);
  }

  /** Scores of a live group, those of columns that it keeps marked. */
  private float[] freeScores(int group, float[] kept) {
    int from = pattern.liveGroupNumbers()[group] * format.columns();
    float[] free = Arrays.copyOfRange(scores, from, from + format.columns());
    for (int i = group * pattern.fanIn(); i < (group + 1) * pattern.fanIn(); i++) {
      if (kept[i] != DROPPED) {
        free[pattern.indices()[i]] = KEPT;
      }
    }
    return free;
  }

  /** Bank by bank: what stays, trimmed or grown to the new fan-in. */
  private void fill(int group, float[] kept, int fanIn, int[] indices, int to) {
    int perBank = fanIn / format.banks();
    // Kept columns come before all others, by magnitude; then free ones by score.
    float[] rank = freeScores(group, kept);
    float best = 0;
    for (float score : rank) {
      best = Math.max(best, score);
    }
    for (int c = 0; c < rank.length; c++) {
      rank[c] = rank[c] == KEPT ? 0 : growthRank(rank[c], best);
    }
    int held = group * pattern.fanIn();
    float most = 0;
    for (int i = 0; i < pattern.fanIn(); i++) {
      most = Math.max(most, kept[held + i]);
    }
    for (int i = 0; i < pattern.fanIn(); i++) {
      if (kept[held + i] != DROPPED) {
        rank[pattern.indices()[held + i]] = keptRank(kept[held + i], most);
      }
    }
    for (int bank = 0; bank < format.banks(); bank++) {
      int first = bank * format.bankColumns();
      top.choose(rank, first, format.bankColumns(), perBank, first, indices, to + bank * perBank);
    }
  }

  /** Above 1, rising with the magnitude. */
  private static float keptRank(float magnitude, float most) {
    float relative = most == 0 ? 1 : magnitude / most;
    return 0x1p60f * Math.max(0x1p-50f, relative);
  }

  /** In (0, 1], rising with the score. */
  private static float growthRank(float score, float best) {
    return best == 0 ? 1 : Math.max(Float.MIN_VALUE, score / best);
  }
}
