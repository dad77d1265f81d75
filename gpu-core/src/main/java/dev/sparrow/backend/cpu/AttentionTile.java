package dev.sparrow.backend.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Operations on a tile of scores, (keys, queries): row j holds key j's scores with a block of
 * queries. Queries being lanes, nothing is ever summed across lanes and the statistics of a query
 * are elements of vectors. Rows are {@link #stride} elements apart, whole vectors; what lies past
 * the queries is computed with and means nothing. Arrays of one number a query have that length.
 *
 * <p>A tile has {@code keys} keys. All its queries see the first {@code before} of them, query i
 * sees i + 1 more, as far as there are any: without a mask {@code before = keys}.
 *
 * <p>The loops are passes that are called from one place, for the reason that {@link
 * ActivationPass} gives.
 */
final class AttentionTile {
  private static final VectorSpecies<Float> F = Lanes.FLOATS;
  private static final int LANES = Lanes.COUNT;

  /** Keys summed before they are added to the total, so that long rows keep their digits. */
  private static final int KEY_GROUP = 128;

  /** The probabilities of a block: masked scores to exponentials, their shift and their sums. */
  static final Pass[] SOFTMAX = {
    AttentionTile::mask, AttentionTile::max, AttentionTile::exp, AttentionTile::sum
  };

  /** Masked scores to exponentials with a known shift. */
  static final Pass[] EXPONENTIALS = {AttentionTile::mask, AttentionTile::exp};

  /** {@code ds = p·(ds - sums)} in place. */
  static final Pass[] SCORE_GRADIENT = {AttentionTile::scoreGradient};

  /** One loop over a tile. */
  @FunctionalInterface
  interface Pass {
    /**
     * @param p scores or probabilities
     * @param ds gradient of the probabilities, then of the scores; null in forward
     * @param shift of the exponentials, one a query
     * @param sums of each query: of its exponentials, in backward of {@code dO ⊙ O}
     */
    void run(float[] p, float[] ds, int queries, int keys, int before, float[] shift, float[] sums);
  }

  private AttentionTile() {}

  /** Takes a tile through passes; see {@link Pass}. */
  static void run(
      Pass[] passes,
      float[] p,
      float[] ds,
      int queries,
      int keys,
      int before,
      float[] shift,
      float[] sums) {
    for (Pass pass : passes) {
      pass.run(p, ds, queries, keys, before, shift, sums);
    }
  }

  /** {@code queries} rounded up to whole vectors. */
  static int stride(int queries) {
    return (queries + LANES - 1) / LANES * LANES;
  }

  /** Sets the scores with keys that a query must not see to -inf, within the vectors it is in. */
  private static void mask(
      float[] s, float[] ds, int queries, int keys, int before, float[] shift, float[] sums) {
    int stride = stride(queries);
    for (int i = 1; i < queries && before + i < keys; i++) {
      int row = (before + i) * stride;
      Arrays.fill(s, row + Lanes.whole(i), row + i, Float.NEGATIVE_INFINITY);
    }
  }

  /** The largest score of each query; NaN where one is NaN. */
  private static void max(
      float[] s, float[] ds, int queries, int keys, int before, float[] shift, float[] sums) {
    int stride = stride(queries);
    for (int i = 0; i < queries; i += LANES) {
      int end = end(keys, before, i) * stride;
      FloatVector top = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
      for (int at = i; at < end; at += stride) {
        top = top.max(FloatVector.fromArray(F, s, at));
      }
      top.intoArray(shift, i);
    }
  }

  /** {@code p = exp(s - shift)} in place, 0 where masked; shift is at least the largest score. */
  private static void exp(
      float[] s, float[] ds, int queries, int keys, int before, float[] shift, float[] sums) {
    int stride = stride(queries);
    int all = keys * stride;
    for (int i = 0; i < queries; i += LANES) {
      int end = end(keys, before, i) * stride;
      FloatVector shifts = FloatVector.fromArray(F, shift, i);
      for (int at = i; at < end; at += stride) {
        VectorMath.exp(FloatVector.fromArray(F, s, at).sub(shifts)).intoArray(s, at);
      }
      for (int row = end; row < all; row += stride) {
        FloatVector.zero(F).intoArray(s, row + i);
      }
    }
  }

  /** {@code Σ_keys p} of each query. */
  private static void sum(
      float[] p, float[] ds, int queries, int keys, int before, float[] shift, float[] sums) {
    int stride = stride(queries);
    for (int i = 0; i < queries; i += LANES) {
      FloatVector total = FloatVector.zero(F);
      for (int first = 0; first < keys; first += KEY_GROUP) {
        FloatVector sum = FloatVector.zero(F);
        int end = Math.min(keys, first + KEY_GROUP) * stride;
        for (int row = first * stride; row < end; row += stride) {
          sum = sum.add(FloatVector.fromArray(F, p, row + i));
        }
        total = total.add(sum);
      }
      total.intoArray(sums, i);
    }
  }

  /** {@code ds = p·(ds - sums)} in place. */
  private static void scoreGradient(
      float[] p, float[] ds, int queries, int keys, int before, float[] shift, float[] sums) {
    int stride = stride(queries);
    for (int i = 0; i < queries; i += LANES) {
      FloatVector dot = FloatVector.fromArray(F, sums, i);
      for (int at = i; at < keys * stride; at += stride) {
        FloatVector.fromArray(F, ds, at)
            .sub(dot)
            .mul(FloatVector.fromArray(F, p, at))
            .intoArray(ds, at);
      }
    }
  }

  /** Multiplies the first {@code seen} scores of one query by the factors. */
  static void multiplyColumn(float[] p, int query, int queries, float[] factors, int seen) {
    int stride = stride(queries);
    for (int j = 0; j < seen; j++) {
      p[j * stride + query] *= factors[j];
    }
  }

  /** The keys that any query of the vector from query i on sees. */
  private static int end(int keys, int before, int i) {
    return Math.min(keys, before + i + LANES);
  }
}
