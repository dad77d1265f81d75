/**
 * The CPU backend: tensors are Java arrays, products are OpenBLAS through netlib's zero-copy JNI,
 * the rest is the Vector API, and every op is split over the rank's own threads. Imports {@code
 * backend} and {@code tensor}.
 */
package dev.sparrow.backend.cpu;
