package dev.sparrow.model;

import dev.sparrow.data.ImageShape;

/**
 * Patches of an image side by side, row by row, each as one row of numbers: (patch height, patch
 * width, channels).
 *
 * @param image what is cut
 * @param height of a patch, a divisor of the image's
 * @param width of a patch, a divisor of the image's
 */
record PatchGrid(ImageShape image, int height, int width) {
  /** The image as one patch, which changes nothing. */
  static PatchGrid whole(ImageShape image) {
    return new PatchGrid(image, image.height(), image.width());
  }

  /** Square patches. */
  static PatchGrid of(ImageShape image, int side) {
    if (image.height() % side != 0 || image.width() % side != 0) {
      throw new IllegalArgumentException(
          ("model.patch: expected a divisor of the images' height %d and width %d, got %d; change"
                  + " model.patch, or resize images by image.height and image.width")
              .formatted(image.height(), image.width(), side));
    }
    return new PatchGrid(image, side, side);
  }

  /** Patches of an image. */
  int count() {
    return image.height() / height * (image.width() / width);
  }

  /** Numbers of a patch. */
  int columns() {
    return height * width * image.channels();
  }

  boolean isWhole() {
    return count() == 1;
  }

  /**
   * Cuts an image into patches.
   *
   * @param pixels (image height, image width, channels) from index {@code at}
   * @param patches receives (count, columns) from index {@code to}
   */
  void cut(float[] pixels, int at, float[] patches, int to) {
    int run = width * image.channels();
    int stride = image.width() * image.channels();
    int out = to;
    for (int top = 0; top < image.height(); top += height) {
      for (int left = 0; left < stride; left += run) {
        for (int y = top; y < top + height; y++) {
          System.arraycopy(pixels, at + y * stride + left, patches, out, run);
          out += run;
        }
      }
    }
  }
}
