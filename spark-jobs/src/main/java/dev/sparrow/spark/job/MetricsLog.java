package dev.sparrow.spark.job;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Syncable;

/**
 * metrics.jsonl, written as rows arrive. Where training went back to a checkpoint, rows past it are
 * void and the file is written anew. One thread at a time.
 */
final class MetricsLog implements AutoCloseable {
  private final RunDirectory run;
  private final List<String> rows = new ArrayList<>();
  private OutputStream out;

  MetricsLog(RunDirectory run) {
    this.run = run;
  }

  /** Training begins, again maybe, after this many steps. */
  void startAfter(long step) {
    close();
    List<String> kept = run.metricsUpTo(step);
    rows.clear();
    doing(
        () -> {
          out = run.files().createGrowing(run.path() + "/metrics.jsonl");
          for (String row : kept) {
            write(row);
          }
        });
  }

  void row(String json) {
    doing(() -> write(json));
  }

  private void write(String json) throws IOException {
    rows.add(json);
    out.write((json + "\n").getBytes(StandardCharsets.UTF_8));
    if (out instanceof Syncable syncable && hflushes(syncable)) {
      return;
    }
    out.flush();
  }

  /** Some file systems offer hflush and refuse it; then the row shows when the file is closed. */
  private static boolean hflushes(Syncable out) throws IOException {
    try {
      out.hflush();
      return true;
    } catch (UnsupportedOperationException e) {
      return false;
    }
  }

  /** All rows of the run so far. */
  List<String> rows() {
    return List.copyOf(rows);
  }

  @Override
  public void close() {
    if (out != null) {
      doing(out::close);
      out = null;
    }
  }

  private interface Action {
    void run() throws IOException;
  }

  private void doing(Action action) {
    try {
      action.run();
    } catch (IOException e) {
      throw new JobException(run.path() + "/metrics.jsonl: " + e.getMessage(), e);
    }
  }
}
