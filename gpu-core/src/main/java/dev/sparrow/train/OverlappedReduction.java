package dev.sparrow.train;

import dev.sparrow.collective.BucketedAllReduce;
import dev.sparrow.collective.Collective;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import java.util.IdentityHashMap;
import java.util.Map;

/** Buckets of the arena, each summed over the ranks as soon as backward has passed it. */
final class OverlappedReduction implements GradientReduction {
  private static final long BYTES_PER_MIB = 1 << 20;

  private final BucketedAllReduce buckets;
  private final Map<Parameter, Long> starts = new IdentityHashMap<>();

  OverlappedReduction(Collective collective, ParameterArena arena, int bucketMib) {
    this.buckets =
        new BucketedAllReduce(collective, arena.gradients(), bucketStarts(arena, bucketMib));
    arena.parameters().forEach(p -> starts.put(p, arena.start(p)));
  }

  private static long[] bucketStarts(ParameterArena arena, int bucketMib) {
    long elements = bucketMib * BYTES_PER_MIB / arena.gradients().dtype().bytes();
    int count = Math.toIntExact(Math.max(1, (arena.size() + elements - 1) / elements));
    long[] bounds = new long[count];
    for (int i = 0; i < count; i++) {
      bounds[i] = i * elements;
    }
    return bounds;
  }

  @Override
  public boolean listens() {
    return true;
  }

  @Override
  public void ready(Parameter parameter) {
    buckets.ready(starts.get(parameter));
  }

  @Override
  public void await() {
    buckets.await();
  }

  @Override
  public void close() {
    buckets.close();
  }
}
