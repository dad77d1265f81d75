package dev.sparrow.backend.cpu;

import dev.sparrow.backend.ConvOps;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.MatmulOps;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * Convolutions as products of OpenBLAS with patches that a task copies for some lines of the output
 * at a time into memory of its own, about a core's cache: of a batch, all patches would be
 * kernel·kernel times the images. Windows of one pixel are products of the images as they lie.
 *
 * <p>What a task does follows from shapes alone, and so does the order of every sum.
 */
final class CpuConvOps implements ConvOps {
  /** Floats of patches that a task holds, 256 KiB, unless they are fewer rows than the next. */
  private static final int BLOCK_FLOATS = 1 << 16;

  /** Rows of a product, at least: OpenBLAS packs all filters anew for each. */
  private static final int LEAST_ROWS = 256;

  /** Channels from which a filter's gradient is summed for each place in the window apart. */
  private static final int MANY_CHANNELS = 128;

  /** Sums of a filter gradient that run at a time, at most, and their memory, 16 MiB. */
  private static final int MOST_PARTS = 16;

  private static final int PARTS_FLOATS = 1 << 22;
  private static final int GRAIN = 1 << 14;
  private static final int SCRATCH = AlignedFloats.START;

  private final HostPool pool;
  private final Blas blas;
  private final MatmulOps matmul;
  private final TaskScratch scratch;
  private float[] partials = {};

  /**
   * @param matmul for windows of one pixel
   */
  CpuConvOps(HostPool pool, Blas blas, MatmulOps matmul) {
    this.pool = pool;
    this.blas = blas;
    this.matmul = matmul;
    this.scratch = new TaskScratch(pool);
  }

  @Override
  public void forward(ConvShape s, Tensor x, Tensor w, Tensor y) {
    requireProduct(s, "x", x, "w", w, "y", y);
    if (s.isPointwise()) {
      matmul.forward(x, w, null, null, y);
      return;
    }
    PatchLoops patches = PatchLoops.whole(s);
    int in = patches.columns();
    int out = y.columns();
    float[] xs = HeapStorage.floats(x);
    float[] ws = HeapStorage.floats(w);
    float[] ys = HeapStorage.floats(y);
    int x0 = HeapStorage.offset(x);
    int w0 = HeapStorage.offset(w);
    int y0 = HeapStorage.offset(y);
    pool.ranges(
        s.images() * s.outHeight(),
        lines(s, in),
        (line, end) -> {
          int m = (end - line) * s.outWidth();
          float[] block = scratch.atLeast(m * in);
          patches.gather(line, end - line, xs, x0, block, SCRATCH);
          int c = y0 + line * s.outWidth() * out;
          blas.sgemm(false, true, m, out, in, 1, block, SCRATCH, in, ws, w0, in, 0, ys, c, out);
        });
  }

  /** Tasks are whole images, so that no two add to one pixel. */
  @Override
  public void backwardInput(ConvShape s, Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    requireProduct(s, "dx", dx, "w", w, "dy", dy);
    if (s.isPointwise()) {
      matmul.backwardInput(dy, w, accumulate, dx);
      return;
    }
    int in = s.patch();
    int out = dy.columns();
    float[] dys = HeapStorage.floats(dy);
    float[] ws = HeapStorage.floats(w);
    int dy0 = HeapStorage.offset(dy);
    int w0 = HeapStorage.offset(w);
    scatterImages(
        s,
        accumulate,
        dx,
        (line, lines, block) -> {
          int m = lines * s.outWidth();
          int a = dy0 + line * s.outWidth() * out;
          blas.sgemm(false, false, m, in, out, 1, dys, a, out, ws, w0, in, 0, block, SCRATCH, in);
        });
  }

  /** Brings the patches' gradients of some lines to a task's memory. */
  @FunctionalInterface
  private interface PatchGradients {
    void write(int line, int lines, float[] block);
  }

  private void scatterImages(ConvShape s, boolean accumulate, Tensor dx, PatchGradients gradients) {
    PatchLoops patches = PatchLoops.whole(s);
    float[] dxs = HeapStorage.floats(dx);
    int dx0 = HeapStorage.offset(dx);
    int image = s.height() * s.width() * s.channels();
    int lines = lines(s, s.patch());
    int images = Math.max(1, LEAST_ROWS / (s.outHeight() * s.outWidth()));
    pool.ranges(
        s.images(),
        images,
        (from, to) -> {
          if (!accumulate) {
            Arrays.fill(dxs, dx0 + from * image, dx0 + to * image, 0);
          }
          int end = to * s.outHeight();
          for (int line = from * s.outHeight(); line < end; line += lines) {
            int count = Math.min(lines, end - line);
            float[] block = scratch.atLeast(count * s.outWidth() * s.patch());
            gradients.write(line, count, block);
            patches.scatter(line, count, block, SCRATCH, dxs, dx0);
          }
        });
  }

  @Override
  public void backwardWeight(ConvShape s, Tensor dy, Tensor x, Tensor dw) {
    requireProduct(s, "x", x, "dw", dw, "dy", dy);
    if (s.isPointwise()) {
      matmul.backwardWeight(dy, x, dw, null);
      return;
    }
    // A small gradient leaves room to sum parts of the batch apart, a large one is cut by places.
    int slices = s.channels() < MANY_CHANNELS ? 1 : s.taps();
    int lines = lines(s, s.patch() / slices);
    int blocks = (s.images() * s.outHeight() + lines - 1) / lines;
    int size = Math.toIntExact(dw.size());
    int parts = Math.max(1, Math.min(Math.min(MOST_PARTS, blocks), PARTS_FLOATS / size));
    float[] sums = parts == 1 ? HeapStorage.floats(dw) : partials(parts * size);
    int sums0 = parts == 1 ? HeapStorage.offset(dw) : 0;
    pool.forEach(
        parts * slices,
        task -> {
          int part = task / slices;
          int from = (int) ((long) blocks * part / parts) * lines;
          int to =
              Math.min(
                  s.images() * s.outHeight(), (int) ((long) blocks * (part + 1) / parts) * lines);
          PatchLoops patches = slices == 1 ? PatchLoops.whole(s) : PatchLoops.of(s, task % slices);
          int at = sums0 + part * size + task % slices * patches.columns();
          for (int line = from; line < to; line += lines) {
            float beta = parts > 1 && line == from ? 0 : 1;
            addGradient(s, patches, line, Math.min(lines, to - line), dy, x, beta, sums, at);
          }
        });
    if (parts > 1) {
      addParts(parts, size, dw);
    }
  }

  /** {@code sums = beta·sums + dyᵀ·P} over some lines. */
  private void addGradient(
      ConvShape s,
      PatchLoops patches,
      int line,
      int lines,
      Tensor dy,
      Tensor x,
      float beta,
      float[] sums,
      int at) {
    int rows = lines * s.outWidth();
    int in = patches.columns();
    int out = dy.columns();
    float[] block = scratch.atLeast(rows * in);
    patches.gather(line, lines, HeapStorage.floats(x), HeapStorage.offset(x), block, SCRATCH);
    float[] dys = HeapStorage.floats(dy);
    int a = HeapStorage.offset(dy) + line * s.outWidth() * out;
    blas.sgemm(
        true, false, out, in, rows, 1, dys, a, out, block, SCRATCH, in, beta, sums, at, s.patch());
  }

  private float[] partials(int floats) {
    if (partials.length < floats) {
      partials = new float[floats];
    }
    return partials;
  }

  private void addParts(int parts, int size, Tensor dw) {
    float[] dws = HeapStorage.floats(dw);
    int dw0 = HeapStorage.offset(dw);
    pool.ranges(
        size,
        GRAIN,
        (from, to) -> {
          for (int part = 0; part < parts; part++) {
            RowOps.add(dws, dw0 + from, partials, part * size + from, dws, dw0 + from, to - from);
          }
        });
  }

  @Override
  public void patches(ConvShape s, Tensor x, Tensor patches) {
    Matrices.check("x", x, s.rows(), s.channels());
    Matrices.check("patches", patches, s.outRows(), s.patch());
    PatchLoops loops = PatchLoops.whole(s);
    float[] xs = HeapStorage.floats(x);
    float[] ps = HeapStorage.floats(patches);
    int x0 = HeapStorage.offset(x);
    int p0 = HeapStorage.offset(patches);
    pool.ranges(
        s.images() * s.outHeight(),
        lines(s, s.patch()),
        (line, end) ->
            loops.gather(line, end - line, xs, x0, ps, p0 + line * s.outWidth() * s.patch()));
  }

  @Override
  public void patchesBackward(ConvShape s, Tensor dpatches, boolean accumulate, Tensor dx) {
    Matrices.check("dx", dx, s.rows(), s.channels());
    Matrices.check("dpatches", dpatches, s.outRows(), s.patch());
    float[] ds = HeapStorage.floats(dpatches);
    float[] dxs = HeapStorage.floats(dx);
    int d0 = HeapStorage.offset(dpatches);
    int dx0 = HeapStorage.offset(dx);
    int image = s.height() * s.width() * s.channels();
    PatchLoops loops = PatchLoops.whole(s);
    pool.forEach(
        s.images(),
        i -> {
          if (!accumulate) {
            Arrays.fill(dxs, dx0 + i * image, dx0 + (i + 1) * image, 0);
          }
          int line = i * s.outHeight();
          int from = d0 + line * s.outWidth() * s.patch();
          loops.scatter(line, s.outHeight(), ds, from, dxs, dx0);
        });
  }

  @Override
  public void maxPool(ConvShape s, Tensor x, Tensor y, Tensor taps) {
    Matrices.check("x", x, s.rows(), s.channels());
    Matrices.check("y", y, s.outRows(), s.channels());
    Matrices.check("taps", taps, s.outRows(), s.channels());
    MaxPoolLoops loops = new MaxPoolLoops(s);
    pool.ranges(
        s.outRows(),
        Math.max(1, GRAIN / s.patch()),
        (from, to) -> {
          for (int row = from; row < to; row++) {
            loops.forward(row, x, y, taps);
          }
        });
  }

  @Override
  public void maxPoolBackward(ConvShape s, Tensor dy, Tensor taps, Tensor dx) {
    Matrices.check("dx", dx, s.rows(), s.channels());
    Matrices.check("dy", dy, s.outRows(), s.channels());
    Matrices.check("taps", taps, s.outRows(), s.channels());
    MaxPoolLoops loops = new MaxPoolLoops(s);
    pool.forEach(s.images(), image -> loops.backward(image, dy, taps, dx));
  }

  /** Lines of the output whose patches a task holds at a time. */
  private static int lines(ConvShape s, int columns) {
    return Math.max(1, Math.max(LEAST_ROWS, BLOCK_FLOATS / columns) / s.outWidth());
  }

  private static void requireProduct(
      ConvShape s, String input, Tensor x, String weight, Tensor w, String output, Tensor y) {
    Matrices.check(input, x, s.rows(), s.channels());
    Matrices.check(output, y, s.outRows(), w.rows());
    Matrices.check(weight, w, y.columns(), s.patch());
  }
}
