/**
 * Layers with a hand-written backward pass beside each forward pass; no autograd. Imports {@code
 * tensor}, {@code backend} and {@code config}'s value types; talks to devices through {@code
 * Backend} alone.
 *
 * <p>Conventions: activations are (tokens, width); gradients of activations are {@code =}, of
 * parameters {@code +=}. A layer keeps what its backward pass needs in its own {@link
 * dev.sparrow.nn.Workspace} buffers, so at most one forward pass is pending at a time. Tensors that
 * a layer returns are its own buffers, valid until its next call.
 */
package dev.sparrow.nn;
