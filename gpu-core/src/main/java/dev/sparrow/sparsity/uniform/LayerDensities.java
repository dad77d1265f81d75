package dev.sparrow.sparsity.uniform;

import dev.sparrow.config.Uniform;
import dev.sparrow.tensor.Shape;
import java.util.Arrays;
import java.util.List;

/**
 * How dense each layer is to be, so that all together have the wanted share of non-zeros.
 *
 * <p>Erdős-Rényi-Kernel (Evci et al. 2020, §3): a layer's density goes with (in + out) / (in·out);
 * one that would pass 1 stays dense and the others share what is left. Each expert of a mixture is
 * a matrix of its own there: the number of experts changes no density.
 */
final class LayerDensities {
  private LayerDensities() {}

  /**
   * @param layers (out, in), or (experts, out, in)
   */
  static double[] of(Uniform.Distribution distribution, List<Shape> layers, double sparsity) {
    return distribution == Uniform.Distribution.UNIFORM
        ? same(layers.size(), 1 - sparsity)
        : erdosRenyi(layers, 1 - sparsity);
  }

  private static double[] same(int layers, double density) {
    double[] densities = new double[layers];
    Arrays.fill(densities, density);
    return densities;
  }

  private static double[] erdosRenyi(List<Shape> layers, double density) {
    double[] densities = new double[layers.size()];
    double budget = 0;
    for (Shape layer : layers) {
      budget += density * layer.size();
    }
    boolean settled = false;
    while (!settled) {
      settled = true;
      double scale = scale(layers, densities, budget);
      for (int i = 0; i < densities.length; i++) {
        if (densities[i] < 1 && scale * raw(layers.get(i)) >= 1) {
          densities[i] = 1;
          settled = false;
        }
      }
      if (settled) {
        for (int i = 0; i < densities.length; i++) {
          densities[i] = densities[i] == 1 ? 1 : scale * raw(layers.get(i));
        }
      }
    }
    return densities;
  }

  /** By which the raw densities of the layers that are not dense use up the budget. */
  private static double scale(List<Shape> layers, double[] densities, double budget) {
    double left = budget;
    double wanted = 0;
    for (int i = 0; i < densities.length; i++) {
      if (densities[i] == 1) {
        left -= layers.get(i).size();
      } else {
        wanted += raw(layers.get(i)) * layers.get(i).size();
      }
    }
    return wanted == 0 ? 0 : Math.max(0, left) / wanted;
  }

  private static double raw(Shape layer) {
    double out = layer.dim(-2);
    double in = layer.dim(-1);
    return (in + out) / (in * out);
  }
}
