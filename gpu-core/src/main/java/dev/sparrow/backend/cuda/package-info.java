/**
 * The device layer under a CUDA backend: driver, device, context, streams, memory, kernels, graphs
 * and tensor maps. No ops yet, and nothing of the project uses it yet. The only package that
 * imports jcuda and jna; of the project it imports {@code tensor}.
 *
 * <p>Conventions:
 *
 * <ul>
 *   <li>One thread opens a {@link dev.sparrow.backend.cuda.CudaContext}, uses all that belongs to
 *       it, and closes it last. Who opens closes, in reverse order.
 *   <li>Calls on a stream are asynchronous unless their name ends in Sync. Freed device memory is
 *       reused in the order of the compute stream.
 *   <li>Every driver call is checked. A failure is a {@link
 *       dev.sparrow.backend.cuda.CudaException}; a GPU that cannot be had is a {@link
 *       dev.sparrow.backend.cuda.CudaUnavailableException}; memory that runs out is a {@link
 *       dev.sparrow.backend.cuda.DeviceOutOfMemoryException}.
 *   <li>Addresses and byte counts are long.
 * </ul>
 *
 * <p>What has never run on a GPU: every call to the driver, so the bodies of {@code Cuda}, {@code
 * DriverMemory}, {@code Stream}, {@code Event}, {@code PinnedBuffer}, {@code CudaContext}, {@code
 * CudaDevice} past the loading of the driver, {@code GraphCapture}, {@code CudaGraph}, {@code
 * KernelLibrary}'s loading of fatbins and {@code TensorMaps.encode}. {@code DeviceLayerGpuTest}
 * runs them where there is a GPU. Tested without one: the allocator over a fake heap, GPU
 * addresses, the errors without a driver, the packing of launch arguments in native memory, the
 * checks of launches and tensor maps, the kernel index, and the texts of errors.
 */
package dev.sparrow.backend.cuda;
