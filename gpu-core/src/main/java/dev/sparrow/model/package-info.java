/** Whole networks made of {@code nn} layers in the forms that a {@code sparsity.Method} chooses. */
package dev.sparrow.model;
