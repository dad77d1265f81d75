package dev.sparrow.nn;

import dev.sparrow.backend.Activation;

/**
 * What a model asks of a method for one feed-forward block.
 *
 * @param name dotted path: {@code blocks.3.feed_forward}
 * @param layer number of the block, from 0
 * @param width columns of input and output
 * @param hidden columns between
 * @param gated {@code down(f(gate(x))·up(x))} instead of {@code down(f(up(x)))}
 * @param bias whether the linears have one
 * @param standardDeviation of the initial input-side weights
 * @param outputStandardDeviation of the initial output-side weights
 */
public record FeedForwardSpec(
    String name,
    int layer,
    int width,
    int hidden,
    Activation activation,
    boolean gated,
    boolean bias,
    double standardDeviation,
    double outputStandardDeviation) {}
