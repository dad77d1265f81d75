package dev.sparrow.spark.shard;

import dev.sparrow.spark.image.Pixels;

/**
 * An image and the number of its class.
 *
 * @param label from 0
 */
record LabelledImage(Pixels pixels, int label) {}
