package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.HostLoop;
import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;

/**
 * Measures {@code ρ = ‖W‖F²/σ₁²} where the weights are. The largest singular value comes from a
 * block Krylov space (Musco and Musco 2015, algorithm 2): the device multiplies {@link #BLOCK} rows
 * by the matrix and its transpose, the host orthonormalises them against all before, and the
 * largest Ritz value of all is taken. Among the close singular values of a random matrix that comes
 * to rest in the square root of the rounds that the last block alone would need.
 *
 * <p>Each measurement starts from the same random rows and not from where the last one ended: it is
 * then a function of the weights alone, and a resumed run measures what the whole run does.
 */
final class StableRank {
  /** Rows at a time: a product of so few takes as long as reading the matrix. */
  static final int BLOCK = 8;

  private static final int MAX_ROUNDS = 12;
  private static final double TOLERANCE =
      4e-3; // of σ₁², from one round to the next: errs by less than 1%
  private static final RandomKey KEY = new RandomKey(1, RandomKey.streamOf("stable rank"));

  private final Backend backend;

  StableRank(Backend backend) {
    this.backend = backend;
  }

  /**
   * The mean over matrices; waits for the device.
   *
   * @param weight (out, in) or (matrices, out, in)
   */
  double measureSync(Parameter weight) {
    int matrices = weight.shape().rank() == 3 ? weight.shape().dim(0) : 1;
    int out = weight.shape().dim(-2);
    int in = weight.shape().dim(-1);
    Tensor stack = weight.value().reshape(matrices, out, in);
    try (Workspace workspace = new Workspace(backend)) {
      double[] squares =
          new Iteration(workspace, weight.operand().reshape(matrices, out, in))
              .largestSquaresSync();
      double sum = 0;
      for (int e = 0; e < matrices; e++) {
        double norm = backend.elementwise().squaredNormSync(stack.slice(e, 1));
        sum += norm == 0 ? 0 : norm / squares[e];
      }
      return sum / matrices;
    }
  }

  /** Of one stack of matrices. */
  private final class Iteration {
    private final Tensor weights; // (matrices, out, in)
    private final int matrices;
    private final Tensor q; // (matrices·BLOCK, in), the newest rows of each matrix's space
    private final Tensor image; // (matrices·BLOCK, out), q·Wᵀ
    private final Tensor offsets; // I32 (matrices + 1)
    private final float[] hostQ;
    private final float[] hostImage;
    private final KrylovSpace[] spaces; // of each matrix

    Iteration(Workspace workspace, Tensor weights) {
      this.weights = weights;
      this.matrices = weights.dim(0);
      this.q = workspace.keep(matrices * BLOCK, weights.dim(2));
      this.image = workspace.keep(matrices * BLOCK, weights.dim(1));
      this.offsets = workspace.keep(DType.I32, matrices + 1);
      this.hostQ = new float[Math.toIntExact(q.size())];
      this.hostImage = new float[Math.toIntExact(image.size())];
      this.spaces = new KrylovSpace[matrices];
      int[] starts = new int[matrices + 1];
      for (int e = 0; e <= matrices; e++) {
        starts[e] = e * BLOCK;
      }
      backend.upload(starts, 0, offsets);
      Arrays.setAll(spaces, e -> new KrylovSpace(BLOCK, weights.dim(1), weights.dim(2)));
      Philox.normals(KEY, 0, hostQ, 0, hostQ.length);
    }

    /** σ₁² of each matrix. */
    double[] largestSquaresSync() {
      HostLoop loop = backend.hostLoop();
      double[] squares = new double[matrices];
      for (int round = 0; round < MAX_ROUNDS; round++) {
        loop.forEach(matrices, e -> spaces[e].orthonormalize(hostQ, e * BLOCK));
        backend.upload(hostQ, 0, q);
        backend.matmul().groupedForward(q, weights, offsets, image);
        backend.downloadSync(image, hostImage, 0);
        double[] before = squares.clone();
        loop.forEach(
            matrices,
            e -> {
              spaces[e].add(hostQ, hostImage, e * BLOCK);
              squares[e] = spaces[e].largestSquare();
            });
        if (haveSettled(before, squares)) {
          break;
        }
        backend.matmul().groupedBackwardInput(image, weights, offsets, false, q);
        backend.downloadSync(q, hostQ, 0);
      }
      return squares;
    }

    private static boolean haveSettled(double[] before, double[] squares) {
      for (int e = 0; e < squares.length; e++) {
        if (squares[e] - before[e] > TOLERANCE * squares[e]) {
          return false;
        }
      }
      return true;
    }
  }
}
