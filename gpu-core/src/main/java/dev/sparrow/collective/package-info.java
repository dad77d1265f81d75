/**
 * Sums and broadcasts between the ranks of one job. Imports {@code tensor}, {@code backend} with
 * the array access of {@code backend.cpu}, and Netty; knows nothing of Spark: addresses and the
 * secret come from outside.
 *
 * <p>{@link dev.sparrow.collective.RingEndpoint} opens a ring in two steps, {@link
 * dev.sparrow.collective.BucketedAllReduce} hides its time behind backward. Inside, {@code
 * RingPlan} turns a call into a {@code Transfer}, {@code RingEngine} runs it on one event loop over
 * two {@code RingLink}s, {@code FrameReader} and {@code FrameWriter} speak the wire format. Between
 * neighbours on one machine the frames only say that elements lie in {@code SharedMemory}.
 *
 * <p>Tensors of devices that the ring cannot read go by {@link
 * dev.sparrow.collective.DeviceCollective}: from device to device where {@code Joining} finds that
 * all ranks' devices reach each other, else through the host ({@code HostGroup}).
 *
 * <p>The handshake authenticates peers. What follows is protected only under {@code encrypt}; in
 * the clear, whoever can alter packets between two ranks can alter their sums. Shared memory is
 * open to processes of the same user alone, and has no name once both neighbours have mapped it.
 */
package dev.sparrow.collective;
