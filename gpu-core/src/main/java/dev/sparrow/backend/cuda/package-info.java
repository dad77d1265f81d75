/**
 * The CUDA backend: {@link dev.sparrow.backend.cuda.CudaBackend} with an op family in each {@code
 * Cuda*Ops}, which launch the kernels of {@code kernels/}; under them the device layer: driver,
 * context, streams, memory, kernels, graphs and tensor maps; and beside it cuBLASLt and NCCL, where
 * a machine has them. The only package that imports jcuda and jna; of the project it imports {@code
 * backend} and {@code tensor}.
 *
 * <p>Conventions:
 *
 * <ul>
 *   <li>One thread opens a backend, uses all that belongs to it, and closes it. Who opens closes,
 *       in reverse order. {@code CudaExchange} and {@code NcclGroup} let another thread move
 *       tensors, each on a stream of its own; what {@code PinnedUploads} gives, another thread may
 *       fill.
 *   <li>Calls on a stream are asynchronous unless their name ends in Sync. Freed device memory is
 *       reused in the order of the compute stream. Scratch grows and never shrinks; a recorded pass
 *       is recorded anew when scratch has moved.
 *   <li>A bf16 result is rounded once, to the nearest even; arithmetic is fp32.
 *   <li>Every driver call is checked. A failure is a {@link
 *       dev.sparrow.backend.cuda.CudaException}; a GPU that cannot be had is a {@link
 *       dev.sparrow.backend.cuda.CudaUnavailableException}; memory that runs out is a {@link
 *       dev.sparrow.backend.cuda.DeviceOutOfMemoryException}. So is every call to cuBLASLt ({@link
 *       dev.sparrow.backend.cuda.CublasException}) and to NCCL ({@link
 *       dev.sparrow.backend.DeviceGroupException}).
 *   <li>Addresses and byte counts are long.
 * </ul>
 *
 * <p>None of this has run on a GPU. Tests run all of it on the emulated driver of {@code
 * kernels/emulate}, which has compute capability 8.0: {@code HopperGemm} and what {@code
 * TensorMaps} encodes for it are the parts that only a Hopper GPU will show. cuBLASLt and NCCL are
 * stood in for: their functions, numbers and layouts are held to the documentation, not yet to
 * them.
 */
package dev.sparrow.backend.cuda;
