/** The command line: arguments in, jobs run, words and exit codes out. */
package dev.sparrow.spark.cli;
