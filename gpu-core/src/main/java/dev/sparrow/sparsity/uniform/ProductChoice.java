package dev.sparrow.sparsity.uniform;

import dev.sparrow.backend.UniformPattern;
import dev.sparrow.collective.Collective;
import dev.sparrow.config.Uniform;
import java.util.BitSet;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.slf4j.LoggerFactory;

/**
 * Which layers multiply by their non-zeros, and which as a whole matrix under a mask. Where times
 * decide, they are rank 0's, the others are told; equal layers share one timing. A layer is timed
 * when it takes its first pattern, and again where its fan-in has since become a tenth smaller
 * while it is multiplied whole, or a tenth larger while it is not.
 */
public final class ProductChoice {
  private static final double NARROWED = 0.9;
  private static final double WIDENED = 1.1;
  private static final double NANOS_PER_MILLI = 1e6;

  private final Uniform.Products products;
  private final ProductTimer timer;
  private final Consumer<String> log;
  private final Map<Sizes, ProductTimes> times = new HashMap<>();
  private final Map<SparsifiedWeight, Integer> timedFanIns = new IdentityHashMap<>();

  /** What a time depends on; the rest of the format is the same in all layers. */
  private record Sizes(int matrices, int out, int in, int liveRows, int fanIn, int rows) {
    static Sizes of(PatternUpdate update) {
      UniformPattern p = update.next();
      int matrices = update.weight().format().matrices();
      int rows = update.weight().rows();
      return new Sizes(matrices, p.rows(), p.columns(), p.liveRows(), p.fanIn(), rows);
    }
  }

  /** Tells its choices in the log. */
  ProductChoice(Uniform.Products products, ProductTimer timer) {
    this(products, timer, LoggerFactory.getLogger(ProductChoice.class)::info);
  }

  /**
   * @param timer asked on rank 0 alone
   * @param log receives a line for each timing
   */
  public ProductChoice(Uniform.Products products, ProductTimer timer, Consumer<String> log) {
    this.products = products;
    this.timer = timer;
    this.log = log;
  }

  /** Whether times decide. */
  boolean isTimed() {
    return products == Uniform.Products.TIMED;
  }

  /** The form of a layer as long as nothing is timed. */
  boolean startsSparse(SparsifiedWeight weight) {
    return products != Uniform.Products.DENSE && weight.canBeSparse();
  }

  /** The layer goes on in the form that it has, as if it had just been timed. */
  void keep(SparsifiedWeight weight) {
    timedFanIns.put(weight, weight.pattern().fanIn());
  }

  /** Numbers of the updates whose weights shall multiply by their non-zeros; same on every rank. */
  BitSet sparse(List<PatternUpdate> updates, Collective collective) {
    BitSet sparse = new BitSet();
    BitSet due = new BitSet();
    for (int i = 0; i < updates.size(); i++) {
      SparsifiedWeight weight = updates.get(i).weight();
      boolean times = isTimed() && startsSparse(weight);
      due.set(i, times && isDue(updates.get(i)));
      sparse.set(i, times ? weight.isSparse() : startsSparse(weight));
    }
    if (!due.isEmpty()) {
      BitSet faster = faster(updates, due, collective);
      sparse.andNot(due);
      sparse.or(faster);
    }
    return sparse;
  }

  private boolean isDue(PatternUpdate update) {
    Integer last = timedFanIns.get(update.weight());
    int next = update.next().fanIn();
    return last == null
        || (update.weight().isSparse() ? next >= WIDENED * last : next <= NARROWED * last);
  }

  private BitSet faster(List<PatternUpdate> updates, BitSet due, Collective collective) {
    BitSet faster = new BitSet();
    boolean decides = collective.rank() == 0;
    due.stream()
        .forEach(
            i -> {
              PatternUpdate update = updates.get(i);
              timedFanIns.put(update.weight(), update.next().fanIn());
              faster.set(i, decides && times(update).sparseIsFaster());
            });
    return BitSet.valueOf(collective.broadcast(decides ? faster.toByteArray() : null, 0));
  }

  private ProductTimes times(PatternUpdate update) {
    return times.computeIfAbsent(Sizes.of(update), sizes -> timed(update, sizes));
  }

  private ProductTimes timed(PatternUpdate update, Sizes sizes) {
    ProductTimes measured = timer.time(update.next(), sizes.matrices(), sizes.rows());
    log.accept(
        String.format(
            Locale.ROOT,
            "layers like %s, %d rows of %d at a time: %.3f ms by the non-zeros (%s), %.3f ms as a whole matrix; multiplied %s",
            update.weight().spec().name(),
            sizes.rows(),
            sizes.in(),
            measured.sparseNanos() / NANOS_PER_MILLI,
            update.next(),
            measured.wholeNanos() / NANOS_PER_MILLI,
            measured.sparseIsFaster() ? "by the non-zeros" : "whole"));
    return measured;
  }
}
