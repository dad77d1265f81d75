/**
 * Saved states of a run: safetensors files, directories that are whole or not there, the thread
 * that writes them beside training, and the smaller or more common forms in which a finished model
 * leaves. Imports {@code tensor} and {@code backend}; file systems come in as {@link
 * dev.sparrow.checkpoint.FileStore}.
 */
package dev.sparrow.checkpoint;
