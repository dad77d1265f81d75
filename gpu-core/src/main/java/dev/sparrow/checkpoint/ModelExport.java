package dev.sparrow.checkpoint;

import dev.sparrow.backend.PatternLayout;
import dev.sparrow.backend.UniformPattern;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * Turns a saved model's tensors into those of a file for others: small, or such as any framework
 * reads. Integers apart, all values are in one type.
 *
 * @param values F32, or BF16, rounded to the nearest even
 */
public record ModelExport(Form form, DType values) {
  /** How a weight that is not held as one matrix (out, in) is written. */
  public enum Form {
    /**
     * Of n non-zeros: {@code weight.values}, of n values, and {@code weight.columns}, one for each
     * row's group. Of low rank: {@code weight.u} and {@code weight.v}.
     */
    SPARSE,
    /**
     * {@code weight}, (out, in), with zeros, or the product of the factors and what normalises
     * between them.
     */
    DENSE
  }

  /**
   * The bytes of one low-rank weight.
   *
   * @param matrix shape of the whole weight
   * @param bytes of its factors, or of the whole, in the file
   */
  public record LowRankWeight(String name, Shape matrix, int rank, long bytes) {
    /** Of the whole matrix with 16-bit values. */
    public long denseBytes() {
      return matrix.size() * DType.BF16.bytes();
    }
  }

  /**
   * The bytes of one sparse weight.
   *
   * @param bytes of values and pattern in the file
   */
  public record SparseWeight(String name, UniformPattern pattern, long bytes) {
    /** Of the whole matrix with 16-bit values. */
    public long denseBytes() {
      return (long) pattern.rows() * pattern.columns() * DType.BF16.bytes();
    }
  }

  /**
   * A model ready to be written.
   *
   * @param metadata by which the file is read back
   * @param sparse weights, in the order of the model
   * @param lowRank weights, in the order of the model
   * @param otherElements of all tensors that belong to none of these
   */
  public record Exported(
      List<HostTensor> tensors,
      Map<String, String> metadata,
      List<SparseWeight> sparse,
      List<LowRankWeight> lowRank,
      long otherElements) {
    /** Of all tensors. */
    public long bytes() {
      return tensors.stream().mapToLong(HostTensor::bytes).sum();
    }
  }

  public ModelExport {
    if (values != DType.F32 && values != DType.BF16) {
      throw new IllegalArgumentException("export: expected values of F32 or BF16, got " + values);
    }
  }

  /**
   * @param saved of a {@link ModelFile}
   * @param layouts of the weights that may be sparse
   * @param normOf the name of the batch normalisation that follows a convolution, by that of the
   *     convolution: it takes what a normalisation between factors adds
   * @throws IllegalArgumentException naming weight and values where a pattern is none, or naming
   *     the normalisation that is missing
   */
  public Exported of(
      List<HostTensor> saved, Map<String, PatternLayout> layouts, UnaryOperator<String> normOf) {
    List<HostTensor> tensors = form == Form.DENSE ? FoldedNorms.of(saved, normOf) : saved;
    Map<String, UniformPattern> patterns = PatternTensors.patterns(tensors, layouts);
    Map<String, PatternLayout> sparse = new LinkedHashMap<>(layouts);
    sparse.keySet().retainAll(patterns.keySet());
    Writer writer = new Writer(new CompactPatterns(sparse), patterns, FactorTensors.of(tensors));
    tensors.forEach(writer::take);
    // Wide types first, as others' readers map tensors and want each aligned to its type.
    writer.out.sort(Comparator.comparingInt((HostTensor t) -> t.dtype().bytes()).reversed());
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("format", "sparrow");
    metadata.put(ModelReader.VERSION_KEY, ModelReader.VERSION);
    if (form == Form.SPARSE) {
      metadata.putAll(writer.compact.metadata());
    }
    return new Exported(writer.out, metadata, writer.sparse, writer.lowRank, writer.otherElements);
  }

  /** The same of a model without convolutions. */
  public Exported of(List<HostTensor> saved, Map<String, PatternLayout> layouts) {
    return of(saved, layouts, name -> name);
  }

  private final class Writer {
    private final CompactPatterns compact;
    private final Map<String, UniformPattern> patterns;
    private final Map<String, FactorTensors> factors; // by the names of both tensors
    private final Set<String> ofPatterns = new HashSet<>();
    private final List<HostTensor> out = new ArrayList<>();
    private final List<SparseWeight> sparse = new ArrayList<>();
    private final List<LowRankWeight> lowRank = new ArrayList<>();
    private long otherElements;

    Writer(
        CompactPatterns compact,
        Map<String, UniformPattern> patterns,
        Map<String, FactorTensors> factors) {
      this.compact = compact;
      this.factors = factors;
      this.patterns = patterns;
      for (String weight : patterns.keySet()) {
        ofPatterns.add(PatternTensors.columns(weight));
        ofPatterns.add(PatternTensors.groups(weight));
      }
    }

    void take(HostTensor tensor) {
      String weight = PatternTensors.weightOfValues(tensor.name());
      if (patterns.containsKey(weight)) {
        takeWeight(weight, tensor);
      } else if (factors.containsKey(tensor.name())) {
        takeFactors(factors.get(tensor.name()), tensor);
      } else if (!ofPatterns.contains(tensor.name())) {
        out.add(narrowed(tensor));
        otherElements += tensor.shape().size();
      }
    }

    private void takeWeight(String weight, HostTensor tensor) {
      UniformPattern pattern = patterns.get(weight);
      PatternLayout layout = compact.layouts().get(weight);
      WeightValues nonZeros = WeightValues.of(weight, pattern, layout, tensor);
      List<HostTensor> written = new ArrayList<>();
      if (form == Form.DENSE) {
        written.add(narrowed(nonZeros.dense(weight, layout.matrix())));
      } else {
        written.add(narrowed(nonZeros.compact(PatternTensors.values(weight))));
        written.addAll(compact.tensors(weight, pattern));
      }
      out.addAll(written);
      long bytes = written.stream().mapToLong(HostTensor::bytes).sum();
      sparse.add(new SparseWeight(weight, pattern, bytes));
    }

    /** Once of each pair. */
    private void takeFactors(FactorTensors pair, HostTensor tensor) {
      if (tensor != pair.v()) {
        return;
      }
      List<HostTensor> written =
          form == Form.DENSE
              ? List.of(narrowed(pair.product()))
              : List.of(narrowed(pair.v()), narrowed(pair.u()));
      out.addAll(written);
      long bytes = written.stream().mapToLong(HostTensor::bytes).sum();
      lowRank.add(new LowRankWeight(pair.weight(), pair.shape(), pair.rank(), bytes));
    }

    private HostTensor narrowed(HostTensor tensor) {
      return tensor.dtype() == DType.F32 ? tensor.as(values) : tensor;
    }
  }
}
