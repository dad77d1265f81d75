package dev.sparrow.spark.shard;

import dev.sparrow.spark.data.DataException;
import java.io.IOException;
import java.io.Serializable;
import java.util.Iterator;
import java.util.List;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.TaskKilledException;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Shards one partition: rows of (columns of a sample, split value or nothing) stream in, files and
 * one result come out. Memory is one sample and one record batch per split.
 */
final class ShardTask<S, F extends Serializable>
    implements Function2<Integer, Iterator<InternalRow>, Iterator<PartitionResult<F>>> {
  /**
   * What every task needs, sent once per executor.
   *
   * @param where the source, for messages
   */
  record Plan<S, F extends Serializable>(
      SerializableConfiguration hadoop,
      String output,
      long rowsPerFile,
      SplitRule split,
      RowEncoder<S, F> encoder,
      String where)
      implements Serializable {}

  private final Broadcast<Plan<S, F>> shared;
  private final IdCounts counts;

  ShardTask(Broadcast<Plan<S, F>> shared, IdCounts counts) {
    this.shared = shared;
    this.counts = counts;
  }

  @Override
  public Iterator<PartitionResult<F>> call(Integer partition, Iterator<InternalRow> rows)
      throws IOException {
    Plan<S, F> plan = shared.value();
    long[][] counted = new long[Split.values().length][plan.encoder().ids()];
    try (BufferAllocator memory = new RootAllocator();
        SplitWriter<S, F> train = writer(plan, partition, Split.TRAIN, memory, counted);
        SplitWriter<S, F> validation = writer(plan, partition, Split.VALIDATION, memory, counted)) {
      Loop<S, F> loop = new Loop<>(plan, partition, List.of(train, validation));
      while (rows.hasNext()) {
        loop.row(rows.next());
      }
      counts.add(counted);
      return List.of(loop.result(train.finish(), validation.finish())).iterator();
    } catch (DataException e) {
      return List.of(PartitionResult.<F>refused(e.getMessage())).iterator();
    }
  }

  private static <S, F extends Serializable> SplitWriter<S, F> writer(
      Plan<S, F> plan, int partition, Split split, BufferAllocator memory, long[][] counted) {
    String stem = String.format("part-%05d", partition);
    ShardFiles.Target target =
        new ShardFiles.Target(
            plan.hadoop().value(),
            new Path(plan.output()),
            split,
            stem,
            plan.rowsPerFile(),
            memory);
    return plan.encoder().writer(target, counted[split.ordinal()]);
  }

  /** Counters and writers of a running task. */
  private static final class Loop<S, F extends Serializable> {
    private final Plan<S, F> plan;
    private final RowEncoder<S, F> encoder;
    private final int partition;
    private final List<SplitWriter<S, F>> writers;
    private final TaskContext task = TaskContext.get();
    private long rows;
    private long nulls;
    private long empty;
    private long other;

    Loop(Plan<S, F> plan, int partition, List<SplitWriter<S, F>> writers) {
      this.plan = plan;
      this.encoder = plan.encoder();
      this.partition = partition;
      this.writers = writers;
    }

    void row(InternalRow row) throws IOException {
      if (task.isInterrupted()) {
        throw new TaskKilledException("sharding was cancelled");
      }
      long number = rows++;
      if (holdsNull(row)) {
        nulls++;
        return;
      }
      S sample = read(row, number);
      if (sample == null) {
        empty++;
        return;
      }
      write(row, sample);
    }

    private boolean holdsNull(InternalRow row) {
      for (int column = 0; column < encoder.columns(); column++) {
        if (row.isNullAt(column)) {
          return true;
        }
      }
      return false;
    }

    private S read(InternalRow row, long number) {
      try {
        return encoder.read(row);
      } catch (DataException e) {
        throw new DataException(
            plan.where() + ", row " + number + " of partition " + partition + ": " + e.getMessage(),
            e);
      }
    }

    private void write(InternalRow row, S sample) throws IOException {
      int column = encoder.columns();
      boolean byColumn = plan.split().column() != null && !row.isNullAt(column);
      long hash = encoder.hash(row, sample, plan.split().seed());
      Split split = plan.split().of(byColumn ? row.getUTF8String(column) : null, hash);
      if (split == null) {
        other++;
        return;
      }
      writers.get(split.ordinal()).add(sample);
    }

    PartitionResult<F> result(PartitionResult.Part<F> train, PartitionResult.Part<F> validation) {
      return new PartitionResult<>(null, train, validation, rows, nulls, empty, other);
    }
  }
}
