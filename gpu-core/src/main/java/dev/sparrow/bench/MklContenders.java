package dev.sparrow.bench;

import dev.sparrow.backend.HostPool;
import dev.sparrow.backend.UniformPattern;
import java.util.LinkedHashMap;
import java.util.Map;

/** MKL's sparse products of one pattern, in both layouts of the dense matrices; it has no dw. */
final class MklContenders {
  /** Dense matrices as activations lie, (batch, features): what can take our products' place. */
  static final String AS_IT_LIES = "mkl";

  /** Dense matrices that somebody has turned before and turns back after, at no cost here. */
  static final String TURNED = "mkl_turned";

  private final Map<String, SpmmContender> contenders = new LinkedHashMap<>();

  private MklContenders() {}

  /** Without MKL. */
  static MklContenders none() {
    return new MklContenders();
  }

  /**
   * @param batch rows of the activations
   */
  static MklContenders of(Mkl mkl, HostPool pool, UniformPattern pattern, int batch) {
    MklContenders made = new MklContenders();
    made.add(AS_IT_LIES, mkl, pool, pattern, batch, Mkl.COLUMN_MAJOR);
    made.add(TURNED, mkl, pool, pattern, batch, Mkl.ROW_MAJOR);
    return made;
  }

  private void add(
      String name, Mkl mkl, HostPool pool, UniformPattern pattern, int batch, int layout) {
    MklCsr weight = MklCsr.ofRows(mkl, pool, pattern, batch, layout);
    MklCsr transpose = MklCsr.ofColumns(mkl, pool, pattern, batch, layout);
    contenders.put(
        name,
        new SpmmContender(
            Map.of(SpmmOp.FORWARD, weight::multiply, SpmmOp.BACKWARD_INPUT, transpose::multiply),
            () -> {
              weight.close();
              transpose.close();
            }));
  }

  /** By {@link #AS_IT_LIES} and {@link #TURNED}; empty without MKL. */
  Map<String, SpmmContender> byName() {
    return contenders;
  }
}
