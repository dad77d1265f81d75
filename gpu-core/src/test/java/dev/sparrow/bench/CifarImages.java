package dev.sparrow.bench;

import dev.sparrow.data.ImageShape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Images of a file in CIFAR-10's binary layout (Krizhevsky 2009): records of a label and of the
 * red, the green and the blue bytes of 32 x 32 pixels. In memory they lie as networks read them.
 *
 * @param pixels (rows, height, width, channels) from index 0; shared, not copied
 * @param labels (rows)
 */
record CifarImages(ByteBuffer pixels, int[] labels) {
  static final ImageShape SHAPE = new ImageShape(32, 32, 3);
  static final int CLASSES = 10;

  private static final int PLANE = SHAPE.height() * SHAPE.width();
  private static final int RECORD = 1 + SHAPE.size();
  private static final int LEVELS = 256;
  private static final double WHITE = 255;

  /**
   * @throws IOException where the file cannot be read or holds something else
   */
  static CifarImages read(Path file) throws IOException {
    byte[] records = Files.readAllBytes(file);
    int rows = records.length / RECORD;
    if (rows == 0 || records.length % RECORD != 0) {
      throw new IOException(
          "%s: expected records of %d bytes, got %d bytes".formatted(file, RECORD, records.length));
    }
    int[] labels = new int[rows];
    byte[] pixels = new byte[rows * SHAPE.size()];
    for (int row = 0; row < rows; row++) {
      labels[row] = label(file, records[row * RECORD], row);
      interleave(records, row * RECORD + 1, pixels, row * SHAPE.size());
    }
    return new CifarImages(ByteBuffer.wrap(pixels), labels);
  }

  private static int label(Path file, byte label, int row) throws IOException {
    if (label < 0 || label >= CLASSES) {
      throw new IOException(
          "%s: expected labels in [0, %d), got %d in record %d; is it CIFAR-10's binary version?"
              .formatted(file, CLASSES, label, row));
    }
    return label;
  }

  /** (channels, pixels) to (pixels, channels). */
  private static void interleave(byte[] planes, int from, byte[] out, int at) {
    int channels = SHAPE.channels();
    for (int c = 0; c < channels; c++) {
      for (int i = 0; i < PLANE; i++) {
        out[at + i * channels + c] = planes[from + c * PLANE + i];
      }
    }
  }

  int count() {
    return labels.length;
  }

  /** Those from one row to before another. */
  CifarImages rows(int from, int to) {
    int size = SHAPE.size();
    return new CifarImages(
        pixels.slice(from * size, (to - from) * size), Arrays.copyOfRange(labels, from, to));
  }

  /**
   * Of each channel, of bytes as shares of 255.
   *
   * @param mean (channels)
   * @param deviation (channels)
   */
  record Moments(float[] mean, float[] deviation) {}

  Moments moments() {
    int channels = SHAPE.channels();
    long[][] counts = new long[channels][LEVELS];
    for (int i = 0; i < pixels.capacity(); i++) {
      counts[i % channels][pixels.get(i) & (LEVELS - 1)]++;
    }
    Moments moments = new Moments(new float[channels], new float[channels]);
    for (int c = 0; c < channels; c++) {
      double sum = 0;
      double squares = 0;
      for (int level = 0; level < LEVELS; level++) {
        double value = level / WHITE;
        sum += value * counts[c][level];
        squares += value * value * counts[c][level];
      }
      double mean = sum / ((double) count() * PLANE);
      moments.mean[c] = (float) mean;
      moments.deviation[c] =
          (float) Math.sqrt(Math.max(0, squares / ((double) count() * PLANE) - mean * mean));
    }
    return moments;
  }
}
