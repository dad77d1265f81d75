package dev.sparrow.spark.shard;

import dev.sparrow.spark.image.Pixels;
import java.io.Serializable;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Sums over the images of a split, by channel. Of bytes they are exact up to 10^11 pixels, whatever
 * the order.
 *
 * @param images added
 * @param pixels of one image
 * @param unit what counts as 1: of bytes 255
 */
record ImageFigures(long images, long pixels, double unit, double[] sums, double[] squares)
    implements Serializable {
  private static final double WHITE = 255;

  static ImageFigures none(ImageRows rows) {
    double unit = rows.floats() ? 1 : WHITE;
    int channels = rows.channels();
    long pixels = (long) rows.height() * rows.width();
    return new ImageFigures(0, pixels, unit, new double[channels], new double[channels]);
  }

  ImageFigures plus(ImageFigures other) {
    ImageFigures sum =
        new ImageFigures(images + other.images, pixels, unit, sums.clone(), squares.clone());
    for (int c = 0; c < sums.length; c++) {
      sum.sums[c] += other.sums[c];
      sum.squares[c] += other.squares[c];
    }
    return sum;
  }

  /** Adds to this one's sums; returns it with one image more. */
  ImageFigures plus(Pixels image) {
    int channels = sums.length;
    int size = image.shape().size();
    for (int pixel = 0; pixel < size; pixel += channels) {
      for (int c = 0; c < channels; c++) {
        int i = pixel + c;
        double value = image.isFloat() ? image.floats()[i] : image.bytes()[i] & 0xFF;
        sums[c] += value;
        squares[c] += value * value;
      }
    }
    return new ImageFigures(images + 1, pixels, unit, sums, squares);
  }

  /** Of each channel; empty without an image. */
  List<Double> means() {
    return ofChannels(this::mean);
  }

  /** Of each channel; empty without an image. */
  List<Double> deviations() {
    return ofChannels(this::deviation);
  }

  private List<Double> ofChannels(IntToDoubleFunction figure) {
    return IntStream.range(0, images == 0 ? 0 : sums.length).mapToDouble(figure).boxed().toList();
  }

  private double mean(int channel) {
    return sums[channel] / (images * pixels) / unit;
  }

  private double deviation(int channel) {
    double mean = sums[channel] / (images * pixels);
    double variance = squares[channel] / (images * pixels) - mean * mean;
    return Math.sqrt(Math.max(0, variance)) / unit;
  }
}
