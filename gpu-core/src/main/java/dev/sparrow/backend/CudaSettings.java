package dev.sparrow.backend;

/**
 * What a CUDA backend makes use of besides this project's kernels. Keys {@code train.cuda.*};
 * conf/reference.conf tells what each word costs.
 *
 * @param cublas who multiplies dense matrices
 * @param graphs whether recorded work becomes a CUDA graph; else it is called each time
 * @param nccl how ranks' GPUs reach each other
 * @param sparse who multiplies by uniformly sparse weights
 */
public record CudaSettings(CublasUse cublas, boolean graphs, NcclUse nccl, SparseUse sparse) {
  /** All that is found is used, and which is used depends on nothing but what is found. */
  public static final CudaSettings DEFAULT = new CudaSettings(CublasUse.AUTO, true, NcclUse.AUTO);

  /** This project's own code alone. */
  public static final CudaSettings OWN = new CudaSettings(CublasUse.OFF, true, NcclUse.OFF);

  /** With sparse products by whichever is expected to be faster. */
  public CudaSettings(CublasUse cublas, boolean graphs, NcclUse nccl) {
    this(cublas, graphs, nccl, SparseUse.AUTO);
  }

  /** Who multiplies dense matrices. */
  public enum CublasUse {
    /**
     * cuBLASLt whatever it takes, if it is found; the rest, or else all, this project's kernels.
     */
    AUTO,
    /** As AUTO, but a machine without cuBLASLt is refused. */
    ON,
    /**
     * If cuBLASLt is found, for each shape the one that was faster at its first call. Another
     * process may choose otherwise, so that neither a repeated nor a resumed run gives the same
     * bits.
     */
    TIMED,
    /** This project's kernels. */
    OFF
  }

  /** How ranks' GPUs reach each other. */
  public enum NcclUse {
    /** By NCCL, if all ranks find it and their GPUs come together; else through the host. */
    AUTO,
    /** By NCCL or not at all. */
    ON,
    /** Through the host. */
    OFF
  }

  /** Who multiplies by uniformly sparse weights. */
  public enum SparseUse {
    /** Of each pattern the kernels that its format and density let expect to be faster. */
    AUTO,
    /** As AUTO, without the kernels on wgmma of compute capability 9.0: what other GPUs run. */
    MMA,
    /** Sparse kernels, whatever the density, on GPUs with 128 KB of shared memory for a block. */
    KERNELS,
    /** Dense products of the whole matrix. */
    DENSE
  }
}
