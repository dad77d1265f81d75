package dev.sparrow.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.HostLoop;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The parts of sparse products whose claims no product can see. */
class SparseLoopsTest {
  private static final int LANES = Lanes.COUNT;

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void sumsFoldedTogetherEqualThoseFoldedAloneToTheBit(int perNonZero) {
    int count = 2 * LANES + 3;
    int stride = perNonZero * LANES;
    float[] sums = normal(count * stride);
    float[] out = normal(count + 1);
    float[] expected = out.clone();
    for (int i = 0; i < count; i++) {
      expected[1 + i] += Lanes.sum(FloatVector.fromArray(Lanes.FLOATS, sums, i * stride));
    }
    SampledLoops.fold(sums, 0, stride, count, out, 1);
    for (int i = 0; i < out.length; i++) {
      assertEquals(expected[i], out[i], 0f, "number " + i);
    }
  }

  @Test
  void aSquareIsTransposedWhereItLies() {
    int side = SquareTranspose.SIDE;
    int stride = side + 3;
    int toStride = side + 5;
    float[] from = normal(2 + side * stride);
    float[] to = normal(7 + side * toStride);
    float[] before = to.clone();
    float[] scratch = new float[SquareTranspose.SCRATCH + 1];
    SquareTranspose.turn(from, 2, stride, true, to, 7, toStride, scratch, 1);
    for (int at = 7; at < to.length; at++) {
      int row = (at - 7) / toStride;
      int column = (at - 7) % toStride;
      float added = column < side ? from[2 + column * stride + row] : 0;
      assertEquals(before[at] + added, to[at], 0f, "row " + row + ", column " + column);
    }
  }

  /** Lists that miss a span, fill it, and end in the last number. */
  @Test
  void spansCutListsAtMultiplesOfTheirLength() {
    int end = 2 * Spans.LENGTH + 5;
    int[] starts = {0, Spans.LENGTH, Spans.LENGTH + 2 * Spans.LENGTH};
    int[] numbers = new int[starts[2]];
    for (int i = 0; i < Spans.LENGTH; i++) {
      numbers[i] = Spans.LENGTH + i; // the whole second span
    }
    for (int i = 0; i < 2 * Spans.LENGTH; i++) {
      numbers[Spans.LENGTH + i] = i + 5; // all but the first five
    }
    Spans spans = new Spans(numbers, starts, end, HostLoop.INLINE);
    assertEquals(3, spans.count());
    int[][] firsts = {
      {0, 0, Spans.LENGTH, Spans.LENGTH},
      {Spans.LENGTH, 2 * Spans.LENGTH - 5, 3 * Spans.LENGTH - 5, 3 * Spans.LENGTH}
    };
    for (int list = 0; list < 2; list++) {
      for (int span = 0; span <= 3; span++) {
        assertEquals(firsts[list][span], spans.first(list, span), list + ", " + span);
      }
    }
  }

  /** One number of twenty: too few for short spans, enough for long ones. */
  @Test
  void sparserListsAreCutIntoLongerSpans() {
    int end = 2 * Spans.LONG;
    int[] numbers = new int[end / 20];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = 20 * i;
    }
    Spans spans = new Spans(numbers, new int[] {0, numbers.length}, end, HostLoop.INLINE);
    assertEquals(2, spans.count());
    assertEquals((Spans.LONG + 19) / 20, spans.first(0, 1));
    assertEquals(numbers.length, spans.first(0, 2));
  }

  @Test
  void sparseListsAreLeftWhole() {
    Spans spans = new Spans(new int[] {0, 200, 900}, new int[] {0, 1, 3}, 1000, HostLoop.INLINE);
    assertEquals(1, spans.count());
    assertEquals(1, spans.first(1, 0));
    assertEquals(3, spans.first(1, 1));
  }

  private static float[] normal(int count) {
    Random random = new Random(count);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }
}
