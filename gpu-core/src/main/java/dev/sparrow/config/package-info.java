/**
 * The settings of a run as immutable records, parsed once from HOCON: conf/reference.conf, then a
 * recipe, then {@code key=value} of the command line. All problems are reported together. Imports
 * nothing of the project but {@code backend}'s enums and {@code CudaSettings}.
 */
package dev.sparrow.config;
