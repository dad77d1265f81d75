package dev.sparrow.sparsity.uniform;

import dev.sparrow.config.Uniform;
import dev.sparrow.nn.LinearSpec;
import java.util.Arrays;
import java.util.List;

/**
 * How dense each layer is to be, so that all together have the wanted share of non-zeros.
 *
 * <p>Erdős-Rényi-Kernel (Evci et al. 2020, §3): a layer's density goes with (in + out) / (in·out);
 * one that would pass 1 stays dense and the others share what is left.
 */
final class LayerDensities {
  private LayerDensities() {}

  static double[] of(Uniform.Distribution distribution, List<LinearSpec> layers, double sparsity) {
    return distribution == Uniform.Distribution.UNIFORM
        ? same(layers.size(), 1 - sparsity)
        : erdosRenyi(layers, 1 - sparsity);
  }

  private static double[] same(int layers, double density) {
    double[] densities = new double[layers];
    Arrays.fill(densities, density);
    return densities;
  }

  private static double[] erdosRenyi(List<LinearSpec> layers, double density) {
    double[] densities = new double[layers.size()];
    double budget = 0;
    for (LinearSpec layer : layers) {
      budget += density * elements(layer);
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
  private static double scale(List<LinearSpec> layers, double[] densities, double budget) {
    double left = budget;
    double wanted = 0;
    for (int i = 0; i < densities.length; i++) {
      if (densities[i] == 1) {
        left -= elements(layers.get(i));
      } else {
        wanted += raw(layers.get(i)) * elements(layers.get(i));
      }
    }
    return wanted == 0 ? 0 : Math.max(0, left) / wanted;
  }

  private static double raw(LinearSpec layer) {
    return ((double) layer.in() + layer.out()) / elements(layer);
  }

  private static double elements(LinearSpec layer) {
    return (double) layer.in() * layer.out();
  }
}
