/**
 * Saved states of a run: safetensors files, directories that are whole or not there, and the thread
 * that writes them beside training. Imports {@code tensor} and {@code backend}; file systems come
 * in as {@link dev.sparrow.checkpoint.FileStore}.
 */
package dev.sparrow.checkpoint;
