package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.IOException;
import java.io.Serializable;
import java.util.Iterator;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Shards one partition: rows of (document, split value or nothing) stream in, files and one result
 * come out. Memory is one document and one record batch per split.
 */
final class ShardTask
    implements Function2<Integer, Iterator<InternalRow>, Iterator<PartitionResult>> {
  /**
   * What every task needs, sent once per executor.
   *
   * @param where the source, for messages
   * @param column of the documents, for messages
   */
  record Plan(
      SerializableConfiguration hadoop,
      String output,
      int context,
      long rowsPerFile,
      SplitRule split,
      DocumentReader reader,
      int endOfText,
      int vocabulary,
      String where,
      String column)
      implements Serializable {}

  private final Broadcast<Plan> shared;
  private final TokenCounts counts;

  ShardTask(Broadcast<Plan> shared, TokenCounts counts) {
    this.shared = shared;
    this.counts = counts;
  }

  @Override
  public Iterator<PartitionResult> call(Integer partition, Iterator<InternalRow> rows)
      throws IOException {
    Plan plan = shared.value();
    Configuration hadoop = plan.hadoop().value();
    SplitWriter.Target target =
        new SplitWriter.Target(hadoop, new Path(plan.output()), plan.context(), plan.rowsPerFile());
    String stem = String.format("part-%05d", partition);
    try (BufferAllocator memory = new RootAllocator();
        SplitWriter train = new SplitWriter(target, Split.TRAIN, stem, memory);
        SplitWriter validation = new SplitWriter(target, Split.VALIDATION, stem, memory)) {
      Loop loop = new Loop(plan, partition, List.of(train, validation));
      while (rows.hasNext()) {
        loop.row(rows.next());
      }
      counts.add(loop.tokenCounts);
      return List.of(loop.result(train.finish(), validation.finish())).iterator();
    } catch (DataException e) {
      return List.of(PartitionResult.refused(e.getMessage())).iterator();
    }
  }

  /** Counters and writers of a running task. */
  private static final class Loop {
    private final Plan plan;
    private final int partition;
    private final List<SplitWriter> writers;
    private final TaskContext task = TaskContext.get();
    private final long[][] tokenCounts;
    private long rows;
    private long nulls;
    private long empty;
    private long other;

    Loop(Plan plan, int partition, List<SplitWriter> writers) {
      this.plan = plan;
      this.partition = partition;
      this.writers = writers;
      this.tokenCounts = new long[writers.size()][plan.vocabulary()];
    }

    void row(InternalRow row) throws IOException {
      if (task.isInterrupted()) {
        throw new TaskKilledException("sharding was cancelled");
      }
      long number = rows++;
      if (row.isNullAt(0)) {
        nulls++;
        return;
      }
      int[] tokens = tokens(row, number);
      if (tokens.length == 0) {
        empty++;
        return;
      }
      document(row, tokens);
    }

    private int[] tokens(InternalRow row, long number) {
      try {
        return plan.reader().tokens(row);
      } catch (DataException e) {
        throw new DataException(
            plan.where()
                + ", column '"
                + plan.column()
                + "', row "
                + number
                + " of partition "
                + partition
                + ": "
                + e.getMessage(),
            e);
      }
    }

    private void document(InternalRow row, int[] tokens) throws IOException {
      boolean byColumn = plan.split().column() != null && !row.isNullAt(1);
      long hash = plan.reader().hash(row, tokens, plan.split().seed());
      Split split = plan.split().of(byColumn ? row.getUTF8String(1) : null, hash);
      if (split == null) {
        other++;
        return;
      }
      int[] closed = plan.reader().closed(tokens, plan.endOfText());
      writers.get(split.ordinal()).document(closed, closed.length);
      long[] into = tokenCounts[split.ordinal()];
      for (int id : closed) {
        into[id]++;
      }
    }

    PartitionResult result(PartitionResult.Part train, PartitionResult.Part validation) {
      return new PartitionResult(null, train, validation, rows, nulls, empty, other);
    }
  }
}
