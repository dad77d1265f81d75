package dev.sparrow.backend.cuda;

import dev.sparrow.backend.AttentionShape;
import dev.sparrow.backend.EmbeddingOps;
import dev.sparrow.backend.cuda.KernelQueue.ByType;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Launches of {@code nn/embedding.cu}. Ids are on the device and not looked at here. */
final class CudaEmbeddingOps implements EmbeddingOps {
  private static final int CHUNK = 32; // ids that a block of the backward sums

  private final KernelQueue queue;
  private final IdSort sort;
  private final RotaryTables tables;
  private final Scratch partials;
  private final Launch split;
  private final ByType embedding;
  private final ByType backward;
  private final Launch join;
  private final ByType addPositions;
  private final ByType addPositionsBackward;
  private final ByType mean;
  private final ByType meanBackward;
  private final ByType rotary;

  CudaEmbeddingOps(KernelQueue queue, RotaryTables tables) {
    this.queue = queue;
    this.tables = tables;
    this.sort = new IdSort(queue);
    this.partials = queue.scratch("embedding gradients");
    this.split = queue.kernel("split_tokens_i32");
    this.embedding = queue.kernels("embedding");
    this.backward = queue.kernels("embedding_backward");
    this.join = queue.kernel("embedding_join_f32");
    this.addPositions = queue.kernels("add_positions");
    this.addPositionsBackward = queue.kernels("add_positions_backward");
    this.mean = queue.kernels("sequence_mean");
    this.meanBackward = queue.kernels("sequence_mean_backward");
    this.rotary = queue.kernels("rotary");
  }

  @Override
  public void splitTokens(Tensor rows, Tensor inputs, Tensor targets) {
    int length = rows.columns() - 1;
    long tokens = (long) rows.rows() * length;
    Doors.requireSize("splitTokens: inputs", inputs, tokens);
    Doors.requireSize("splitTokens: targets", targets, tokens);
    Doors.equalTypes("splitTokens: rows, inputs, targets", rows, inputs, targets);
    if (tokens == 0) {
      return;
    }
    split.grid(queue.blocks(tokens, KernelQueue.THREADS)).block(KernelQueue.THREADS);
    split.arguments().tensor(rows).tensor(inputs).tensor(targets).int64(rows.rows()).int32(length);
    queue.run(split);
  }

  @Override
  public void forward(Tensor ids, Tensor table, Tensor out) {
    Doors.requireType("embedding: ids", ids, DType.I32);
    Doors.requireMatrix("embedding: out", out, ids.size(), table.columns());
    DType type = Doors.equalTypes("embedding: table, out", table, out);
    if (ids.size() == 0) {
      return;
    }
    Launch launch = rows(embedding.of(type), ids.size(), table.columns());
    launch
        .arguments()
        .tensor(ids)
        .tensor(table)
        .address(0) // no positions: they are added by a call of their own
        .int32(1)
        .int32(0)
        .tensor(out)
        .int64(ids.size())
        .int32(table.columns());
    queue.run(launch);
  }

  @Override
  public void backward(Tensor ids, Tensor dout, Tensor dtable) {
    int width = dtable.columns();
    Doors.requireType("embedding backward: ids", ids, DType.I32);
    Doors.requireMatrix("embedding backward: dout", dout, ids.size(), width);
    Doors.requireType("embedding backward: dtable", dtable, DType.F32);
    long n = ids.size();
    if (n == 0) {
      return;
    }
    IdSort.Sorted sorted = sort.sort(ids, dtable.rows());
    int chunks = Math.toIntExact((n + CHUNK - 1) / CHUNK);
    long address = partials.bytes(2L * chunks * width * Float.BYTES);
    Launch launch = backward.of(dout.dtype()).grid(chunks).block(KernelQueue.threads(width));
    launch
        .arguments()
        .address(sorted.ids())
        .address(sorted.order())
        .tensor(dout)
        .tensor(dtable)
        .address(address)
        .int64(n)
        .int32(width);
    queue.run(launch);
    join.grid(chunks).block(KernelQueue.threads(width));
    join.arguments().address(sorted.ids()).address(address).tensor(dtable).int64(n).int32(width);
    queue.run(join);
  }

  @Override
  public void addPositions(Tensor positions, int length, int start, Tensor x) {
    DType type = Doors.equalTypes("addPositions: positions, x", positions, x);
    requirePositions("addPositions", positions, length, start, x);
    Launch launch = rows(addPositions.of(type), x.rows(), x.columns());
    launch
        .arguments()
        .tensor(positions)
        .int32(length)
        .int32(start)
        .tensor(x)
        .int64(x.rows())
        .int32(x.columns());
    queue.run(launch);
  }

  @Override
  public void addPositionsBackward(Tensor dx, int length, int start, Tensor dpositions) {
    Doors.requireType("addPositionsBackward: dpositions", dpositions, DType.F32);
    requirePositions("addPositionsBackward", dpositions, length, start, dx);
    Launch launch = rows(addPositionsBackward.of(dx.dtype()), length, dx.columns());
    launch
        .arguments()
        .tensor(dx)
        .int32(length)
        .int32(start)
        .tensor(dpositions)
        .int64(dx.rows())
        .int32(dx.columns());
    queue.run(launch);
  }

  @Override
  public void mean(Tensor x, int length, Tensor out) {
    Doors.requireMatrix("mean: x", x, (long) out.rows() * length, out.columns());
    DType type = Doors.equalTypes("mean: x, out", x, out);
    Launch launch = rows(mean.of(type), out.rows(), out.columns());
    launch.arguments().tensor(x).int32(length).tensor(out).int64(out.rows()).int32(out.columns());
    queue.run(launch);
  }

  @Override
  public void meanBackward(Tensor dout, int length, Tensor dx) {
    Doors.requireMatrix("meanBackward: dx", dx, (long) dout.rows() * length, dout.columns());
    DType type = Doors.equalTypes("meanBackward: dout, dx", dout, dx);
    Launch launch = rows(meanBackward.of(type), dx.rows(), dx.columns());
    launch.arguments().tensor(dout).int32(length).tensor(dx).int64(dx.rows()).int32(dx.columns());
    queue.run(launch);
  }

  @Override
  public void rotary(AttentionShape shape, double theta, int start, boolean inverse, Tensor qkv) {
    Doors.requireMatrix("rotary: qkv", qkv, shape.tokens(), 3L * shape.width());
    if (shape.headWidth() % 2 != 0) {
      throw new IllegalArgumentException(
          "rotary: expected an even head width, got " + shape.headWidth());
    }
    RotaryTables.Table table = tables.of(theta, shape.headWidth(), start + shape.length());
    Launch launch = rows(rotary.of(qkv.dtype()), shape.tokens(), 2 * shape.width());
    launch
        .arguments()
        .tensor(qkv)
        .address(table.cosines())
        .address(table.sines())
        .int32(inverse ? 1 : 0)
        .int32(shape.length())
        .int32(start)
        .int64(shape.tokens())
        .int32(shape.heads())
        .int32(shape.headWidth());
    queue.run(launch);
  }

  private Launch rows(Launch launch, long rows, int columns) {
    return launch.grid(queue.blocks(rows, 1)).block(KernelQueue.threads(columns));
  }

  private static void requirePositions(
      String op, Tensor positions, int length, int start, Tensor x) {
    if (length < 1 || x.rows() % length != 0) {
      throw new IllegalArgumentException(
          "%s: x: expected a multiple of %d rows, got %s".formatted(op, length, x));
    }
    if (positions.columns() != x.columns() || start < 0 || start + length > positions.rows()) {
      throw new IllegalArgumentException(
          "%s: positions: expected at least [%d, %d], got %s"
              .formatted(op, start + length, x.columns(), positions));
    }
  }
}
