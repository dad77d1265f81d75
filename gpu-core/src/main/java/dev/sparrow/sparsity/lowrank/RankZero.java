package dev.sparrow.sparsity.lowrank;

import dev.sparrow.collective.Collective;
import java.nio.ByteBuffer;
import java.util.function.Supplier;

/** Numbers that rank 0 computes for all, whose machines may round otherwise. */
final class RankZero {
  private RankZero() {}

  /**
   * @param compute called on rank 0 alone
   */
  static double[] doubles(Collective collective, Supplier<double[]> compute) {
    byte[] own = null;
    if (collective.rank() == 0) {
      double[] values = compute.get();
      ByteBuffer buffer = ByteBuffer.allocate(values.length * Double.BYTES);
      buffer.asDoubleBuffer().put(values);
      own = buffer.array();
    }
    ByteBuffer received = ByteBuffer.wrap(collective.broadcast(own, 0));
    double[] values = new double[received.capacity() / Double.BYTES];
    received.asDoubleBuffer().get(values);
    return values;
  }
}
