package dev.sparrow.model;

/** A network that tells an image's class. */
public interface ImageClassifier extends Model {}
