/**
 * The loop that trains and the pass that evaluates: the one package that sees all the others. Runs
 * in a plain JVM; Spark's task and an application's own main alike construct {@link
 * dev.sparrow.train.TrainerParts} and call {@link dev.sparrow.train.Trainer#run}.
 */
package dev.sparrow.train;
