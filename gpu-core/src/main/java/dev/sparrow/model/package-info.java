/**
 * Whole networks, language models and image classifiers, made of {@code nn} layers in the forms
 * that a {@code sparsity.Method} chooses; what they take before they run, what they predicted, and
 * text made with them. Imports {@code nn}, {@code sparsity}, {@code backend}, {@code tensor},
 * {@code config} and {@code data}; never a device's own package.
 */
package dev.sparrow.model;
