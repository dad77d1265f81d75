package dev.sparrow.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.sparrow.config.Image;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ImageTransformTest {
  private static final ImageShape SHAPE = new ImageShape(5, 7, 3);
  private static final float[] MEAN = {0.4f, 0.5f, 0.3f};
  private static final float[] DEVIATION = {0.2f, 0.25f, 0.3f};
  private static final int PADDING = 2;
  private static final int AT = 11; // images need not start their buffer

  private final byte[] bytes = new byte[AT + SHAPE.size()];

  ImageTransformTest() {
    new SplittableRandom(3).nextBytes(bytes);
  }

  private static Image settings(int padding, boolean flip) {
    return new Image("image", "label", 0, 0, padding, flip);
  }

  private static ImageTransform training(int padding, boolean flip) {
    return ImageTransform.training(SHAPE, MEAN, DEVIATION, settings(padding, flip), 9);
  }

  private float[] transformed(ImageTransform transform, long sample) {
    float[] out = new float[SHAPE.size() + 4];
    Arrays.fill(out, 77);
    transform.apply(ByteBuffer.wrap(bytes), AT, sample, out, 2);
    assertEquals(77, out[1]);
    assertEquals(77, out[SHAPE.size() + 2]);
    return Arrays.copyOfRange(out, 2, 2 + SHAPE.size());
  }

  /** The window at (top, left) of the normalised image in its frame of zeros, pixel by pixel. */
  private float[] plain(int top, int left, boolean mirrored) {
    float[] out = new float[SHAPE.size()];
    for (int y = 0; y < 5; y++) {
      for (int x = 0; x < 7; x++) {
        int fromY = y + top;
        int fromX = (mirrored ? 6 - x : x) + left;
        for (int c = 0; c < 3 && fromY >= 0 && fromY < 5 && fromX >= 0 && fromX < 7; c++) {
          int level = bytes[AT + (fromY * 7 + fromX) * 3 + c] & 255;
          out[(y * 7 + x) * 3 + c] = (level / 255f - MEAN[c]) / DEVIATION[c];
        }
      }
    }
    return out;
  }

  @Test
  void evaluationNormalisesEachChannelAndNothingElse() {
    ImageTransform transform = ImageTransform.evaluation(SHAPE, MEAN, DEVIATION);
    assertArrayEquals(plain(0, 0, false), transformed(transform, 5));
    assertArrayEquals(plain(0, 0, false), transformed(training(0, false), 5));
  }

  @Test
  void floatsAreNormalisedWithoutDivision() {
    float[] shares = new float[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      shares[i] = (bytes[i] & 255) / 255f;
    }
    float[] out = new float[SHAPE.size()];
    training(PADDING, true).apply(FloatBuffer.wrap(shares), AT, 21, out, 0);
    assertArrayEquals(transformed(training(PADDING, true), 21), out);
  }

  @Test
  void everyWindowComesMirroredAndNotAboutEquallyOften() {
    int windows = (2 * PADDING + 1) * (2 * PADDING + 1);
    Map<String, Integer> seen = new HashMap<>();
    Map<String, String> known = new HashMap<>();
    for (int top = -PADDING; top <= PADDING; top++) {
      for (int left = -PADDING; left <= PADDING; left++) {
        for (boolean mirrored : new boolean[] {false, true}) {
          known.put(Arrays.toString(plain(top, left, mirrored)), top + " " + left + " " + mirrored);
        }
      }
    }
    assertEquals(2 * windows, known.size());
    ImageTransform transform = training(PADDING, true);
    int samples = 100 * 2 * windows;
    for (int sample = 0; sample < samples; sample++) {
      String window = known.get(Arrays.toString(transformed(transform, sample)));
      assertTrue(window != null, "sample " + sample + " is no window of the image");
      seen.merge(window, 1, Integer::sum);
    }
    assertEquals(2 * windows, seen.size());
    // Binomial with mean 100 and deviation 10: five deviations either way.
    seen.forEach((window, count) -> assertTrue(Math.abs(count - 100) < 50, window + ": " + count));
  }

  @Test
  void aSampleIsVariedAlikeWhateverCameBefore() {
    ImageTransform one = training(PADDING, true);
    ImageTransform other = training(PADDING, true);
    for (long sample = 40; sample > 30; sample--) {
      transformed(other, sample);
    }
    for (long sample : new long[] {0, 1, 31, 1L << 40}) {
      assertArrayEquals(transformed(one, sample), transformed(other, sample));
    }
    assertFalse(Arrays.equals(transformed(one, 31), transformed(one, 32)));
  }

  @Test
  void paddingMayBeWiderThanTheImage() {
    ImageTransform transform = training(20, true);
    int empty = 0;
    for (long sample = 0; sample < 200; sample++) {
      empty += Arrays.equals(new float[SHAPE.size()], transformed(transform, sample)) ? 1 : 0;
    }
    assertTrue(empty > 100 && empty < 200, "empty windows: " + empty);
  }

  @Test
  void anImageLeavesNoGarbage() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    ImageTransform transform = training(PADDING, true);
    ByteBuffer pixels = ByteBuffer.wrap(bytes);
    float[] out = new float[SHAPE.size()];
    long fewest = Long.MAX_VALUE;
    for (int round = 0; round < 3; round++) { // the first ones load classes
      long before = threads.getCurrentThreadAllocatedBytes();
      for (long sample = 0; sample < 1000; sample++) {
        transform.apply(pixels, AT, sample, out, 0);
      }
      fewest = Math.min(fewest, threads.getCurrentThreadAllocatedBytes() - before);
    }
    assertTrue(fewest < 1000, fewest + " bytes for 1000 images");
  }

  @Test
  void statisticsThatDoNotFitAreRefused() {
    Exception channels =
        assertThrows(
            IllegalArgumentException.class,
            () -> ImageTransform.evaluation(SHAPE, new float[] {0}, DEVIATION));
    assertTrue(channels.getMessage().contains("3 channels, got 1 and 3"), channels.getMessage());
    Exception flat =
        assertThrows(
            IllegalArgumentException.class,
            () -> ImageTransform.evaluation(SHAPE, MEAN, new float[] {1, 0, 1}));
    assertTrue(flat.getMessage().contains("channel 1, got 0.0"), flat.getMessage());
  }
}
