package dev.sparrow.backend.cpu;

import dev.sparrow.backend.ConvShape;
import java.util.Arrays;

/**
 * Patches of some lines of the output, copied out of images and summed back into them. Lines are
 * counted through all images. Neighbours in a line of the window lie side by side in the image,
 * too: they are moved in one run.
 */
final class PatchLoops {
  private final ConvShape shape;
  private final int top;
  private final int left;
  private final int height;
  private final int width;

  private PatchLoops(ConvShape shape, int top, int left, int height, int width) {
    this.shape = shape;
    this.top = top;
    this.left = left;
    this.height = height;
    this.width = width;
  }

  /** Of the whole window. */
  static PatchLoops whole(ConvShape shape) {
    return new PatchLoops(shape, 0, 0, shape.kernel(), shape.kernel());
  }

  /** Of one place in the window: patches are pixels. */
  static PatchLoops of(ConvShape shape, int tap) {
    return new PatchLoops(shape, tap / shape.kernel(), tap % shape.kernel(), 1, 1);
  }

  /** Numbers of a patch. */
  int columns() {
    return height * width * shape.channels();
  }

  /**
   * Copies the patches of lines [line, line + lines).
   *
   * @param x0 where the first image begins in x
   * @param to0 where the first patch goes
   */
  void gather(int line, int lines, float[] x, int x0, float[] to, int to0) {
    int run = width * shape.channels();
    for (int l = line; l < line + lines; l++) {
      int start = to0 + (l - line) * shape.outWidth() * columns();
      for (int ky = 0; ky < height; ky++) {
        int source = sourceLine(l, top + ky);
        if (source < 0) {
          clearRuns(to, start + ky * run, run);
        } else {
          int pixels = x0 + source * shape.width() * shape.channels();
          gatherRuns(x, pixels, to, start + ky * run, run);
        }
      }
    }
  }

  /** Line of the input, counted through all images, that a line of the window sees; -1: padding. */
  private int sourceLine(int line, int ky) {
    int y = line % shape.outHeight() * shape.stride() - shape.padding() + ky;
    boolean inside = y >= 0 && y < shape.height();
    return inside ? line / shape.outHeight() * shape.height() + y : -1;
  }

  private void clearRuns(float[] to, int at, int run) {
    for (int column = 0; column < shape.outWidth(); column++, at += columns()) {
      Arrays.fill(to, at, at + run, 0);
    }
  }

  private void gatherRuns(float[] x, int pixels, float[] to, int at, int run) {
    int channels = shape.channels();
    int patch = columns();
    for (int column = 0; column < shape.outWidth(); column++, at += patch) {
      int first = column * shape.stride() - shape.padding() + left;
      int from = Math.max(0, -first) * channels;
      int end = Math.min(width, shape.width() - first) * channels;
      if (from == 0 && end == run) {
        System.arraycopy(x, pixels + first * channels, to, at, run);
      } else if (from < end) {
        Arrays.fill(to, at, at + from, 0);
        System.arraycopy(x, pixels + first * channels + from, to, at + from, end - from);
        Arrays.fill(to, at + end, at + run, 0);
      } else {
        Arrays.fill(to, at, at + run, 0);
      }
    }
  }

  /** Adds the patches of lines [line, line + lines) to the pixels that they were copied from. */
  void scatter(int line, int lines, float[] patches, int patches0, float[] x, int x0) {
    int run = width * shape.channels();
    for (int l = line; l < line + lines; l++) {
      int start = patches0 + (l - line) * shape.outWidth() * columns();
      for (int ky = 0; ky < height; ky++) {
        int target = sourceLine(l, top + ky);
        if (target >= 0) {
          int pixels = x0 + target * shape.width() * shape.channels();
          scatterRuns(patches, start + ky * run, x, pixels);
        }
      }
    }
  }

  private void scatterRuns(float[] patches, int at, float[] x, int pixels) {
    int channels = shape.channels();
    int patch = columns();
    for (int column = 0; column < shape.outWidth(); column++, at += patch) {
      int first = column * shape.stride() - shape.padding() + left;
      int from = Math.max(0, -first) * channels;
      int end = Math.min(width, shape.width() - first) * channels;
      if (from < end) {
        int pixel = pixels + first * channels + from;
        RowOps.add(x, pixel, patches, at + from, x, pixel, end - from);
      }
    }
  }
}
