package dev.sparrow.sparsity.uniform;

import dev.sparrow.collective.Collective;
import dev.sparrow.config.Uniform;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import org.slf4j.LoggerFactory;

/**
 * Which layers multiply by their non-zeros, and which as a whole matrix under a mask. Where times
 * decide, they are rank 0's and the others are told them; what follows from them, see {@link
 * Crossover}, is shared by layers of equal sizes, and a layer is timed only where nothing does.
 */
public final class ProductChoice {
  private static final double NANOS_PER_MILLI = 1e6;

  private final Uniform.Products products;
  private final ProductTimer timer;
  private final Consumer<String> log;
  private final Map<Sizes, Crossover> crossovers = new HashMap<>();

  /** What a time depends on besides non-zeros; the rest of the format is the same in all layers. */
  private record Sizes(int matrices, int out, int in, int rows) {
    static Sizes of(SparsifiedWeight weight) {
      PatternFormat format = weight.format();
      return new Sizes(format.matrices(), format.rows(), format.columns(), weight.rows());
    }

    long elements() {
      return (long) out * in;
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
    long nonZeros = weight.pattern().nonZeros();
    if (weight.isSparse()) {
      crossover(weight).sparse(nonZeros);
    } else {
      crossover(weight).whole(nonZeros);
    }
  }

  private Crossover crossover(SparsifiedWeight weight) {
    return crossovers.computeIfAbsent(Sizes.of(weight), sizes -> new Crossover(sizes.elements()));
  }

  /** Numbers of the updates whose weights shall multiply by their non-zeros; same on every rank. */
  BitSet sparse(List<PatternUpdate> updates, Collective collective) {
    if (isTimed()) {
      learn(updates, collective);
    }
    BitSet sparse = new BitSet();
    for (int i = 0; i < updates.size(); i++) {
      SparsifiedWeight weight = updates.get(i).weight();
      sparse.set(
          i, startsSparse(weight) && (!isTimed() || form(updates.get(i)) == Crossover.Form.SPARSE));
    }
    return sparse;
  }

  private Crossover.Form form(PatternUpdate update) {
    return crossover(update.weight()).form(update.next().nonZeros());
  }

  private boolean isUnknown(PatternUpdate update) {
    return startsSparse(update.weight()) && form(update) == Crossover.Form.UNKNOWN;
  }

  /** All ranks know the same, so all meet here, or none. */
  private void learn(List<PatternUpdate> updates, Collective collective) {
    if (updates.stream().noneMatch(this::isUnknown)) {
      return;
    }
    if (collective.rank() == 0) {
      List<ProductTimes> measured = new ArrayList<>();
      learn(
          updates,
          update -> {
            ProductTimes times = timed(update);
            measured.add(times);
            return times;
          });
      collective.broadcast(bytes(measured), 0);
    } else {
      LongBuffer told = ByteBuffer.wrap(collective.broadcast((byte[]) null, 0)).asLongBuffer();
      learn(updates, update -> new ProductTimes(told.get(), told.get()));
    }
  }

  /** One after the other: what the first of equal layers tells may answer for the others. */
  private void learn(List<PatternUpdate> updates, Function<PatternUpdate, ProductTimes> times) {
    for (PatternUpdate update : updates) {
      if (isUnknown(update)) {
        crossover(update.weight()).learn(update.next().nonZeros(), times.apply(update));
      }
    }
  }

  private static byte[] bytes(List<ProductTimes> times) {
    ByteBuffer bytes = ByteBuffer.allocate(2 * Long.BYTES * times.size());
    times.forEach(t -> bytes.putLong(t.sparseNanos()).putLong(t.wholeNanos()));
    return bytes.array();
  }

  private ProductTimes timed(PatternUpdate update) {
    Sizes sizes = Sizes.of(update.weight());
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
