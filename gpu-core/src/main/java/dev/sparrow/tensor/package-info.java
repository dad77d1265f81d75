/**
 * What a tensor is: a dtype, a shape and a window of storage; and the host memory that its values
 * come from. Imports nothing of the project.
 *
 * <p>Conventions held everywhere: tensors are contiguous and row-major; "rows" are all dimensions
 * but the last, "columns" the last; a view shares its storage and never frees it.
 */
package dev.sparrow.tensor;
