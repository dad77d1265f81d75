package dev.sparrow.checkpoint;

import dev.sparrow.backend.BatchNormOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Takes batch normalisations between factors, {@code <weight>.norm.*}, out of a model that no
 * longer trains, where they are {@code n = s·t + b} of each channel with {@code s = scale /
 * sqrt(running variance + ε)}, {@code b = shift - s·running mean}. U·n is {@code (U·diag(s))·t +
 * U·b}: the scale goes into U, and U·b, which is the same for all pixels, is taken from the running
 * mean of the normalisation that follows the convolution and would subtract it.
 */
final class FoldedNorms {
  private static final String WEIGHT = ".weight";

  private final UnaryOperator<String> normOf;
  private final Map<String, HostTensor> byName = new LinkedHashMap<>();

  private FoldedNorms(List<HostTensor> tensors, UnaryOperator<String> normOf) {
    this.normOf = normOf;
    tensors.forEach(tensor -> byName.put(tensor.name(), tensor));
  }

  /**
   * @param normOf see {@link ModelExport#of}
   * @return without them, in the same order
   */
  static List<HostTensor> of(List<HostTensor> tensors, UnaryOperator<String> normOf) {
    FoldedNorms folded = new FoldedNorms(tensors, normOf);
    for (FactorTensors pair : FactorTensors.of(tensors).values()) {
      folded.fold(pair.weight());
    }
    return new ArrayList<>(folded.byName.values());
  }

  /** Once of each pair: the second time there is nothing left. */
  private void fold(String weight) {
    String norm = weight + ".norm";
    if (!byName.containsKey(norm + WEIGHT)) {
      return;
    }
    float[] scale = take(norm + WEIGHT);
    float[] shift = take(norm + ".bias");
    float[] mean = take(norm + ".running_mean");
    float[] variance = take(norm + ".running_var");
    HostTensor u = byName.get(weight + ".u");
    int out = u.shape().dim(0);
    int rank = u.shape().dim(1);
    float[] us = values(u);
    float[] following = values(following(weight, out));
    for (int i = 0; i < out; i++) {
      double added = 0;
      for (int k = 0; k < rank; k++) {
        double s = scale[k] / Math.sqrt(variance[k] + BatchNormOps.EPSILON);
        added += us[i * rank + k] * (shift[k] - s * mean[k]);
        us[i * rank + k] *= (float) s;
      }
      following[i] -= (float) added;
    }
    put(u, us);
    put(following(weight, out), following);
  }

  private float[] take(String name) {
    HostTensor taken = byName.remove(name);
    if (taken == null) {
      throw new IllegalArgumentException(
          name + ": expected the batch normalisation's tensor beside its others, got none");
    }
    return values(taken);
  }

  private HostTensor following(String weight, int out) {
    String convolution = weight.substring(0, weight.length() - WEIGHT.length());
    String name = normOf.apply(convolution) + ".running_mean";
    HostTensor mean = byName.get(name);
    if (mean == null || mean.shape().size() != out) {
      throw new IllegalArgumentException(
          "%s: expected a batch normalisation %s (%d) after the convolution, to take what the one between its factors adds, got %s"
              .formatted(weight, name, out, mean == null ? "none" : mean.shape()));
    }
    return mean;
  }

  private void put(HostTensor old, float[] values) {
    byName.put(old.name(), HostTensor.of(old.name(), old.shape(), values, 0));
  }

  /** A copy. */
  private static float[] values(HostTensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.shape().size())];
    System.arraycopy((float[]) tensor.array(), tensor.offset(), values, 0, values.length);
    return values;
  }
}
