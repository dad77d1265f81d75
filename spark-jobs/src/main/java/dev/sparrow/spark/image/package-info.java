/**
 * Images in columns of a DataFrame, decoded: files (JPEG, PNG and what else the JDK reads), Spark's
 * own image rows, and arrays of numbers. Imports {@code data}, {@code spark.data} and Spark SQL.
 */
package dev.sparrow.spark.image;
