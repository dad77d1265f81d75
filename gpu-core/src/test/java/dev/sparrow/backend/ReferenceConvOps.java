package dev.sparrow.backend;

import dev.sparrow.backend.cpu.HeapStorage;
import dev.sparrow.tensor.Tensor;

/** Convolutions, patches and maximum pooling as loops over every place of the window in double. */
final class ReferenceConvOps implements ConvOps {
  private interface Place {
    /**
     * @param out row of the output
     * @param tap place within the window
     * @param in row of the input; places past the edge are not visited
     */
    void visit(int out, int tap, int in);
  }

  private static void visit(ConvShape s, Place body) {
    for (int out = 0; out < s.outRows(); out++) {
      int column = out % s.outWidth();
      int line = out / s.outWidth() % s.outHeight();
      int image = out / s.outWidth() / s.outHeight();
      for (int tap = 0; tap < s.taps(); tap++) {
        int y = line * s.stride() - s.padding() + tap / s.kernel();
        int x = column * s.stride() - s.padding() + tap % s.kernel();
        if (y >= 0 && y < s.height() && x >= 0 && x < s.width()) {
          body.visit(out, tap, (image * s.height() + y) * s.width() + x);
        }
      }
    }
  }

  @Override
  public void forward(ConvShape s, Tensor x, Tensor w, Tensor y) {
    requireProduct(s, "x", x, w, "y", y);
    fill(y, 0);
    Doubles weight = Doubles.of(w);
    visit(
        s,
        (out, tap, in) -> {
          for (int o = 0; o < y.columns(); o++) {
            for (int c = 0; c < s.channels(); c++) {
              double product = Doubles.of(x).get(in, c) * weight.get(o, tap * s.channels() + c);
              Doubles.of(y).add(out, o, product);
            }
          }
        });
  }

  @Override
  public void backwardInput(ConvShape s, Tensor dy, Tensor w, boolean accumulate, Tensor dx) {
    requireProduct(s, "dx", dx, w, "dy", dy);
    if (!accumulate) {
      fill(dx, 0);
    }
    Doubles weight = Doubles.of(w);
    visit(
        s,
        (out, tap, in) -> {
          for (int o = 0; o < dy.columns(); o++) {
            for (int c = 0; c < s.channels(); c++) {
              double product = Doubles.of(dy).get(out, o) * weight.get(o, tap * s.channels() + c);
              Doubles.of(dx).add(in, c, product);
            }
          }
        });
  }

  @Override
  public void backwardWeight(ConvShape s, Tensor dy, Tensor x, Tensor dw) {
    requireProduct(s, "x", x, dw, "dy", dy);
    visit(
        s,
        (out, tap, in) -> {
          for (int o = 0; o < dy.columns(); o++) {
            for (int c = 0; c < s.channels(); c++) {
              double product = Doubles.of(dy).get(out, o) * Doubles.of(x).get(in, c);
              Doubles.of(dw).add(o, tap * s.channels() + c, product);
            }
          }
        });
  }

  @Override
  public void patches(ConvShape s, Tensor x, Tensor patches) {
    x.require("x", s.rows(), s.channels());
    patches.require("patches", s.outRows(), s.patch());
    fill(patches, 0);
    visit(
        s,
        (out, tap, in) -> {
          for (int c = 0; c < s.channels(); c++) {
            Doubles.of(patches).set(out, tap * s.channels() + c, Doubles.of(x).get(in, c));
          }
        });
  }

  @Override
  public void patchesBackward(ConvShape s, Tensor dpatches, boolean accumulate, Tensor dx) {
    dx.require("dx", s.rows(), s.channels());
    dpatches.require("dpatches", s.outRows(), s.patch());
    if (!accumulate) {
      fill(dx, 0);
    }
    visit(
        s,
        (out, tap, in) -> {
          for (int c = 0; c < s.channels(); c++) {
            Doubles.of(dx).add(in, c, Doubles.of(dpatches).get(out, tap * s.channels() + c));
          }
        });
  }

  @Override
  public void maxPool(ConvShape s, Tensor x, Tensor y, Tensor taps) {
    x.require("x", s.rows(), s.channels());
    y.require("y", s.outRows(), s.channels());
    taps.require("taps", s.outRows(), s.channels());
    fill(y, Double.NEGATIVE_INFINITY);
    int[] chosen = HeapStorage.ints(taps);
    visit(
        s,
        (out, tap, in) -> {
          for (int c = 0; c < s.channels(); c++) {
            if (Doubles.of(x).get(in, c) > Doubles.of(y).get(out, c)) {
              Doubles.of(y).set(out, c, Doubles.of(x).get(in, c));
              chosen[HeapStorage.offset(taps) + out * s.channels() + c] = tap;
            }
          }
        });
  }

  @Override
  public void maxPoolBackward(ConvShape s, Tensor dy, Tensor taps, Tensor dx) {
    dx.require("dx", s.rows(), s.channels());
    dy.require("dy", s.outRows(), s.channels());
    taps.require("taps", s.outRows(), s.channels());
    fill(dx, 0);
    int[] chosen = HeapStorage.ints(taps);
    visit(
        s,
        (out, tap, in) -> {
          for (int c = 0; c < s.channels(); c++) {
            if (chosen[HeapStorage.offset(taps) + out * s.channels() + c] == tap) {
              Doubles.of(dx).add(in, c, Doubles.of(dy).get(out, c));
            }
          }
        });
  }

  private static void requireProduct(
      ConvShape s, String input, Tensor x, Tensor w, String output, Tensor y) {
    x.require(input, s.rows(), s.channels());
    y.require(output, s.outRows(), y.columns());
    w.require("w", y.columns(), s.patch());
  }

  private static void fill(Tensor tensor, double value) {
    for (int i = 0; i < tensor.size(); i++) {
      Doubles.of(tensor).set(i, value);
    }
  }
}
