package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.Philox;
import dev.sparrow.backend.RandomKey;
import dev.sparrow.backend.cpu.SymmetricEigen;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/**
 * Measures {@code ρ = ‖W‖F²/σ₁²} where the weights are. The largest singular value comes from
 * subspace iteration on {@link #BLOCK} rows (Halko, Martinsson and Tropp 2011, algorithm 4.4): the
 * device multiplies, the host orthonormalises, and the largest Ritz value is taken.
 *
 * <p>Each measurement starts from the same random rows and not from where the last one ended: it is
 * then a function of the weights alone, and a resumed run measures what the whole run does.
 */
final class StableRank {
  /** One vector alone is slow among the close singular values of a random matrix. */
  static final int BLOCK = 8;

  private static final int MAX_ROUNDS = 12;
  private static final double TOLERANCE = 1e-3; // of σ₁², from one round to the next
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
    private final Tensor q; // (matrices·BLOCK, in), orthonormal rows for each matrix
    private final Tensor image; // (matrices·BLOCK, out)
    private final Tensor offsets; // I32 (matrices + 1)
    private final float[] hostQ;
    private final float[] hostImage;

    Iteration(Workspace workspace, Tensor weights) {
      this.weights = weights;
      this.matrices = weights.dim(0);
      this.q = workspace.keep(matrices * BLOCK, weights.dim(2));
      this.image = workspace.keep(matrices * BLOCK, weights.dim(1));
      this.offsets = workspace.keep(DType.I32, matrices + 1);
      this.hostQ = new float[Math.toIntExact(q.size())];
      this.hostImage = new float[Math.toIntExact(image.size())];
      int[] starts = new int[matrices + 1];
      for (int e = 0; e <= matrices; e++) {
        starts[e] = e * BLOCK;
      }
      backend.upload(starts, 0, offsets);
      Philox.normals(KEY, 0, hostQ, 0, hostQ.length);
    }

    /** σ₁² of each matrix. */
    double[] largestSquaresSync() {
      double[] squares = new double[matrices];
      boolean settled = false;
      for (int round = 0; round < MAX_ROUNDS && !settled; round++) {
        orthonormalize();
        backend.upload(hostQ, 0, q);
        backend.matmul().groupedForward(q, weights, offsets, image);
        backend.downloadSync(image, hostImage, 0);
        settled = takeRitzValues(squares);
        backend.matmul().groupedBackwardInput(image, weights, offsets, false, q);
        backend.downloadSync(q, hostQ, 0);
      }
      return squares;
    }

    /** The largest eigenvalue of image·imageᵀ for each matrix; whether all have come to rest. */
    private boolean takeRitzValues(double[] squares) {
      boolean settled = true;
      int columns = image.columns();
      for (int e = 0; e < matrices; e++) {
        double[] gram = new double[BLOCK * BLOCK];
        for (int i = 0; i < BLOCK; i++) {
          for (int j = 0; j <= i; j++) {
            double dot =
                dot(hostImage, (e * BLOCK + i) * columns, (e * BLOCK + j) * columns, columns);
            gram[i * BLOCK + j] = dot;
            gram[j * BLOCK + i] = dot;
          }
        }
        double largest = SymmetricEigen.of(gram, BLOCK).values()[0];
        settled &= Math.abs(largest - squares[e]) <= TOLERANCE * largest;
        squares[e] = largest;
      }
      return settled;
    }

    /** Modified Gram-Schmidt; what depends on the rows before becomes zero. */
    private void orthonormalize() {
      int columns = q.columns();
      for (int row = 0; row < matrices * BLOCK; row++) {
        int start = row * columns;
        double before = Math.sqrt(dot(hostQ, start, start, columns));
        for (int other = row - row % BLOCK; other < row; other++) {
          axpy(-dot(hostQ, start, other * columns, columns), other * columns, start, columns);
        }
        double norm = Math.sqrt(dot(hostQ, start, start, columns));
        double scale = norm <= 1e-6 * before ? 0 : 1 / norm;
        for (int i = 0; i < columns; i++) {
          hostQ[start + i] *= (float) scale;
        }
      }
    }

    private void axpy(double alpha, int from, int to, int count) {
      for (int i = 0; i < count; i++) {
        hostQ[to + i] += (float) (alpha * hostQ[from + i]);
      }
    }

    private static double dot(float[] values, int a, int b, int count) {
      double sum = 0;
      for (int i = 0; i < count; i++) {
        sum += (double) values[a + i] * values[b + i];
      }
      return sum;
    }
  }
}
