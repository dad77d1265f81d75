package dev.sparrow.spark.shard;

import dev.sparrow.data.Batch;
import dev.sparrow.spark.data.DataException;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.conf.Configuration;

/**
 * Random access to the rows of a split over all its files, which are fetched, verified and mapped
 * when a row of theirs is first asked for. One thread uses it.
 */
final class ShardRows<B extends Batch> implements AutoCloseable {
  private final List<ShardManifest.File> files;
  private final ShardCache cache;
  private final BatchFiller<B> filler;
  private final long[] firstRows;
  private final MappedShard[] open;

  ShardRows(
      Configuration hadoop,
      ManifestStore store,
      ShardManifest manifest,
      ReaderSettings settings,
      BatchFiller<B> filler)
      throws IOException {
    this.files = manifest.part(settings.split()).files();
    this.cache = new ShardCache(hadoop, store.directory(), settings.cacheDirectory());
    this.filler = filler;
    this.firstRows = new long[files.size() + 1];
    this.open = new MappedShard[files.size()];
    for (int i = 0; i < open.length; i++) {
      firstRows[i + 1] = firstRows[i] + files.get(i).rows();
    }
  }

  /** Writes a row of the split to a slot of the batch. */
  void fill(long row, B batch, int slot, long sample) throws IOException {
    int file = holder(firstRows, row);
    if (open[file] == null) {
      ShardManifest.File entry = files.get(file);
      open[file] = MappedShard.open(cache.local(entry), filler.columns(), entry.rows());
    }
    filler.fill(open[file], row - firstRows[file], batch, slot, sample);
  }

  /** The last i with {@code firsts[i] <= row}, where the next one is greater. */
  static int holder(long[] firsts, long row) {
    int found = Arrays.binarySearch(firsts, row);
    int holder = found >= 0 ? found : -found - 2;
    while (holder + 1 < firsts.length && firsts[holder + 1] <= row) {
      holder++;
    }
    if (row < 0 || holder >= firsts.length - 1) {
      throw new DataException(
          "row: expected 0 to " + (firsts[firsts.length - 1] - 1) + ", got " + row);
    }
    return holder;
  }

  @Override
  public void close() {
    Arrays.fill(open, null);
  }
}
