package dev.sparrow.sparsity.lowrank;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ConvShape;
import dev.sparrow.nn.Buffer;
import dev.sparrow.nn.LinearSpec;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.ModelChange.Carry;
import dev.sparrow.sparsity.ModelChange.Replacement;
import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A matrix, or those of all experts stacked, that is whole at first and gives way to two factors
 * between two steps. How it multiplies is for those that extend it.
 */
abstract class FactorizableWeight {
  private final Backend backend;
  private final LinearSpec spec;
  private final int matrices;
  private final boolean stacked;
  private final boolean normalizes;
  private Parameter whole; // null once there are factors
  private Factors factors; // null while whole
  private FrobeniusDecay decay; // null while whole
  private Workspace workspace; // null until there is one
  private int rows;
  private ConvShape window; // over the largest batch; null where no window slides

  /**
   * Without a form: the class that extends it calls {@link #becomeWhole}.
   *
   * @param spec of one matrix
   * @param stacked whether parameters have a first dimension for the matrices
   * @param normalizes whether factors are to have a batch normalisation between them
   */
  FactorizableWeight(
      Backend backend, LinearSpec spec, int matrices, boolean stacked, boolean normalizes) {
    this.backend = backend;
    this.spec = spec;
    this.matrices = matrices;
    this.stacked = stacked;
    this.normalizes = normalizes;
  }

  /** Takes a form that multiplies by whole matrices, and tells its parameter. */
  abstract Parameter useWhole();

  /** Takes a form that multiplies by factors. */
  abstract void useFactors(Factors next);

  /** The form's own memory. */
  abstract void reserveForm(Workspace memory, int most);

  final void becomeWhole() {
    release();
    factors = null;
    decay = null;
    whole = useWhole();
  }

  /** Takes factors of this rank, to be filled by the caller. */
  final void become(int rank) {
    become(rank, normalizes);
  }

  private void become(int rank, boolean normalized) {
    Factors plain = Factors.of(spec, matrices, stacked, rank);
    Factors next = normalized ? plain.normalized(backend, spec) : plain;
    release();
    whole = null;
    factors = next;
    decay = new FrobeniusDecay(backend, next);
    useFactors(next);
    reserveAgain();
  }

  private void release() {
    if (factors != null) {
      factors.close();
    }
  }

  private void reserveAgain() {
    if (workspace != null) {
      reserve(workspace, rows);
    }
  }

  /** The one of this name, which must be among them. */
  static FactorizableWeight named(List<FactorizableWeight> weights, String name) {
    return weights.stream().filter(w -> w.name().equals(name)).findFirst().orElseThrow();
  }

  Backend backend() {
    return backend;
  }

  public String name() {
    return spec.name();
  }

  /** Of one matrix. */
  LinearSpec spec() {
    return spec;
  }

  int matrices() {
    return matrices;
  }

  boolean isStacked() {
    return stacked;
  }

  /** Whether factors get a batch normalisation between them. */
  boolean normalizes() {
    return normalizes;
  }

  /** The statistics with which the normalisation between these factors begins; rank 0 is asked. */
  InnerStatistics innerStatistics(FactorCarry carry) {
    return InnerStatistics.ofIndependentInputs(carry);
  }

  boolean isLowRank() {
    return factors != null;
  }

  /** Where it {@link #isLowRank}. */
  int rank() {
    return factors.rank();
  }

  /** Before an arena is built: the factor of both factors' learning rate. */
  void trainAt(float learningRateFactor) {
    factors.u().trainAt(learningRateFactor);
    factors.v().trainAt(learningRateFactor);
  }

  /** Where it {@link #isLowRank}. */
  float learningRateFactor() {
    return factors.u().learningRateFactor();
  }

  /** Of matrices of independent elements, as it started. */
  double initialStableRank() {
    return Spectrum.initialStableRank(spec.out(), spec.in());
  }

  /** Where it is not {@link #isLowRank}. */
  Parameter matrix() {
    return whole;
  }

  /** Rows of the largest batch that memory was reserved for, over all matrices; 0 before. */
  int rows() {
    return rows;
  }

  /** The window of a convolution over the largest batch; null of other layers. */
  ConvShape window() {
    return window;
  }

  /** As {@link #reserve(Workspace, int)}. */
  public void reserve(Workspace memory, ConvShape batch) {
    window = batch;
    reserve(memory, batch.outRows());
  }

  /** Takes memory now, and between two steps once factors need theirs. */
  public void reserve(Workspace memory, int most) {
    workspace = memory;
    rows = most;
    reserveForm(memory, most);
    if (decay != null) {
      decay.reserve(memory);
    }
  }

  /**
   * The whole matrices give way to factors.
   *
   * @param learningRateFactor of the factors
   * @param carry to v and u, in this order
   */
  Replacement factorize(int rank, float learningRateFactor, Carry carry) {
    Parameter before = whole;
    become(rank);
    trainAt(learningRateFactor);
    return new Replacement(before, List.of(factors.v(), factors.u()), carry);
  }

  /** The same where factors are normalised, as the identity of what it was told. */
  Replacement factorize(
      int rank, float learningRateFactor, Carry carry, InnerStatistics statistics) {
    Replacement plain = factorize(rank, learningRateFactor, carry);
    factors.norm().run(statistics.mean(), statistics.variance());
    List<Parameter> after = new ArrayList<>(plain.after());
    after.addAll(factors.norm().parameters());
    return new Replacement(plain.before(), after, statistics.appendedTo(carry));
  }

  /** The decay of factors; null while whole, which is the optimizer's to decay. */
  FrobeniusDecay decay() {
    return decay;
  }

  /** Takes the form and rank that the weight has in a file. */
  void fit(Map<String, Shape> saved) {
    Shape u = saved.get(Factors.uName(spec));
    if (u != null && u.rank() > 1) {
      become(u.dim(-1), saved.containsKey(Factors.normName(spec) + ".weight"));
    } else if (isLowRank()) {
      becomeWhole();
      reserveAgain();
    }
  }

  public int in() {
    return spec.in();
  }

  public int out() {
    return spec.out();
  }

  public void parameters(Consumer<Parameter> sink) {
    if (isLowRank()) {
      factors.parameters(sink);
    } else {
      sink.accept(whole);
    }
  }

  public void buffers(Consumer<Buffer> sink) {
    if (isLowRank()) {
      factors.buffers(sink);
    }
  }

  public long parameterCount() {
    return isLowRank() ? factors.size() : whole.size();
  }

  public String kind() {
    return isLowRank() ? factors.kind() : "dense";
  }
}
