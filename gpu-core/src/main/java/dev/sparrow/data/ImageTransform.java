package dev.sparrow.data;

import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.config.Image;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * Stored images to what a network reads: normalised by channel, {@code (x - mean) / deviation},
 * bytes as shares of 255; in training also cut out of a frame of zeros at a random place and, every
 * other one, mirrored (He et al. 2016, §4.2). The zeros are those after normalisation: the mean
 * colour.
 *
 * <p>What happens to an image follows from the seed and the sample's number in the run alone, so
 * that neither ranks nor batches nor a resumed run change it. One thread uses a transform; no call
 * allocates.
 */
public final class ImageTransform {
  private static final long STREAM = RandomKey.streamOf("image.augmentation");
  private static final int LEVELS = 256;
  private static final float WHITE = 255;

  private final ImageShape shape;
  private final float[] mean; // (channels)
  private final float[] deviation; // (channels)
  private final float[] levels; // (channels, 256), what a byte becomes
  private final int padding;
  private final boolean flip;
  private final RandomKey key;
  private final int[] draws = new int[4];
  private final float[] whole; // (height, width, channels), before cropping; null: nothing is cut

  private ImageTransform(
      ImageShape shape, float[] mean, float[] deviation, int padding, boolean flip, long seed) {
    this.shape = shape;
    this.mean = mean.clone();
    this.deviation = deviation.clone();
    this.padding = padding;
    this.flip = flip;
    this.key = new RandomKey(seed, STREAM);
    this.whole = padding > 0 || flip ? new float[shape.size()] : null;
    requireStatistics();
    this.levels = levels();
  }

  /**
   * Normalises and varies as the settings say.
   *
   * @param mean of each channel, of bytes as shares of 255
   * @param deviation of each channel, likewise
   * @param seed of the run
   */
  public static ImageTransform training(
      ImageShape shape, float[] mean, float[] deviation, Image settings, long seed) {
    return new ImageTransform(
        shape, mean, deviation, settings.cropPadding(), settings.flip(), seed);
  }

  /** Normalises alone; the parameters are those of {@link #training}. */
  public static ImageTransform evaluation(ImageShape shape, float[] mean, float[] deviation) {
    return new ImageTransform(shape, mean, deviation, 0, false, 0);
  }

  private void requireStatistics() {
    if (mean.length != shape.channels() || deviation.length != shape.channels()) {
      throw new IllegalArgumentException(
          "image: expected mean and deviation of %d channels, got %d and %d"
              .formatted(shape.channels(), mean.length, deviation.length));
    }
    for (int channel = 0; channel < deviation.length; channel++) {
      if (!(deviation[channel] > 0)) {
        throw new IllegalArgumentException(
            "image: expected a deviation > 0 of channel %d, got %s"
                .formatted(channel, deviation[channel]));
      }
    }
  }

  private float[] levels() {
    float[] values = new float[shape.channels() * LEVELS];
    for (int i = 0; i < values.length; i++) {
      values[i] = normalised(i % LEVELS / WHITE, i / LEVELS);
    }
    return values;
  }

  private float normalised(float value, int channel) {
    return (value - mean[channel]) / deviation[channel];
  }

  /**
   * Transforms an image of bytes.
   *
   * @param pixels (height, width, channels) from index {@code at}; its position stays
   * @param sample number of the sample in the run, epochs counted on
   * @param out receives (height, width, channels) from index {@code outAt}
   */
  public void apply(ByteBuffer pixels, int at, long sample, float[] out, int outAt) {
    float[] target = whole == null ? out : whole;
    int start = whole == null ? outAt : 0;
    int channels = shape.channels();
    int size = shape.size();
    for (int i = 0; i < size; i += channels) {
      for (int c = 0; c < channels; c++) {
        int level = pixels.get(at + i + c) & (LEVELS - 1);
        target[start + i + c] = levels[c * LEVELS + level];
      }
    }
    vary(sample, out, outAt);
  }

  /** As with bytes, for an image of floats, which are not divided by 255. */
  public void apply(FloatBuffer pixels, int at, long sample, float[] out, int outAt) {
    float[] target = whole == null ? out : whole;
    int start = whole == null ? outAt : 0;
    int channels = shape.channels();
    int size = shape.size();
    for (int i = 0; i < size; i += channels) {
      for (int c = 0; c < channels; c++) {
        target[start + i + c] = normalised(pixels.get(at + i + c), c);
      }
    }
    vary(sample, out, outAt);
  }

  /** Cuts and mirrors the whole image as the sample's draws say. */
  private void vary(long sample, float[] out, int outAt) {
    if (whole == null) {
      return;
    }
    Philox.block(key, sample, draws);
    int top = below(2 * padding + 1, draws[0]) - padding;
    int left = below(2 * padding + 1, draws[1]) - padding;
    boolean mirrored = flip && draws[2] < 0;
    int rowLength = shape.width() * shape.channels();
    for (int y = 0; y < shape.height(); y++) {
      int from = y + top;
      int row = outAt + y * rowLength;
      if (from < 0 || from >= shape.height()) {
        Arrays.fill(out, row, row + rowLength, 0);
      } else if (mirrored) {
        mirror(from * rowLength, left, out, row);
      } else {
        shift(from * rowLength, left, out, row);
      }
    }
  }

  /** A number in [0, bound) of a random word (Lemire 2019, without rejection: bounds are small). */
  private static int below(int bound, int word) {
    return (int) ((word & 0xFFFFFFFFL) * bound >>> 32);
  }

  /** {@code out[x] = row[x + left]}, 0 beside the row. */
  private void shift(int from, int left, float[] out, int row) {
    int first = Math.min(shape.width(), Math.max(0, -left));
    int last = Math.max(first, Math.min(shape.width(), shape.width() - left));
    int channels = shape.channels();
    Arrays.fill(out, row, row + first * channels, 0);
    int length = (last - first) * channels;
    if (length > 0) {
      System.arraycopy(
          whole, from + (first + left) * channels, out, row + first * channels, length);
    }
    Arrays.fill(out, row + last * channels, row + shape.width() * channels, 0);
  }

  /** {@code out[x] = row[width - 1 - x + left]}, 0 beside the row. */
  private void mirror(int from, int left, float[] out, int row) {
    int channels = shape.channels();
    for (int x = 0; x < shape.width(); x++) {
      int source = shape.width() - 1 - x + left;
      boolean inside = source >= 0 && source < shape.width();
      for (int c = 0; c < channels; c++) {
        out[row + x * channels + c] = inside ? whole[from + source * channels + c] : 0;
      }
    }
  }
}
