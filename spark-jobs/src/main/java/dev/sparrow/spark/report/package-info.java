/** What a run leaves to look at: report.html, one file that needs no network. */
package dev.sparrow.spark.report;
