package dev.sparrow.spark.shard;

import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageTransform;
import java.util.List;

/** Images from shard files, transformed as they are copied. */
final class ImageFiller implements BatchFiller<ImageBatch> {
  private final ImageRows rows;
  private final int size;
  private final ImageTransform transform;

  ImageFiller(ImageRows rows, ImageTransform transform) {
    this.rows = rows;
    this.size = rows.shape().size();
    this.transform = transform;
  }

  @Override
  public List<FixedColumn> columns() {
    return rows.columns();
  }

  @Override
  public ImageBatch allocate(int samples) {
    return new ImageBatch(samples, rows.shape());
  }

  @Override
  public void fill(MappedShard shard, long row, ImageBatch batch, int slot, long sample) {
    int start = shard.start(ImageRows.IMAGE, row);
    if (rows.floats()) {
      transform.apply(shard.floats(), start / Float.BYTES, sample, batch.pixels(), slot * size);
    } else {
      transform.apply(shard.bytes(), start, sample, batch.pixels(), slot * size);
    }
    batch.labels()[slot] = shard.bytes().getInt(shard.start(ImageRows.LABEL, row));
  }
}
