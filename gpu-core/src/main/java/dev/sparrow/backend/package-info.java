/**
 * What a device can do: memory, copies and the op families that layers are written in. Imports
 * {@code tensor} only; {@code backend.cpu} and {@code backend.cuda} implement it.
 *
 * <p>Conventions of every op:
 *
 * <ul>
 *   <li>Gradients of activations are assigned ({@code =}) unless an argument says accumulate;
 *       gradients of parameters are added ({@code +=}).
 *   <li>Activations, their gradients and the weights, biases and tables that ops read are of {@link
 *       dev.sparrow.backend.Backend#computeType}; gradients of parameters, means and other
 *       statistics, losses, and all numbers of a router are of {@code floatType}. A product of a
 *       router takes activations in the one and weight and logits in the other. A result in bf16 is
 *       rounded once, to the nearest even.
 *   <li>Ops run in the order of their calls and may run asynchronously, unless a name ends in Sync.
 *   <li>Shapes are checked once at the op's door; the message says what, expected and got.
 *   <li>No op allocates device memory. Every sum has a fixed order: same input and thread count,
 *       same bits.
 *   <li>One thread at a time calls a backend.
 * </ul>
 */
package dev.sparrow.backend;
