package dev.sparrow.backend.cuda;

import dev.sparrow.backend.Activation;
import dev.sparrow.backend.GatheredMatmulOps;
import dev.sparrow.backend.cuda.GemmCall.Form;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;

/** Grouped products by the engines that gather rows on their way to shared memory. */
final class CudaGatheredMatmulOps implements GatheredMatmulOps {
  private final CudaMatmulOps products;
  private final GemmCall call = new GemmCall();

  CudaGatheredMatmulOps(CudaMatmulOps products) {
    this.products = products;
  }

  @Override
  public void forward(Tensor x, Tensor rows, Tensor w, Tensor offsets, Tensor y) {
    products.run(gathered(x, rows, w, offsets, y));
  }

  @Override
  public void activatedForward(
      Activation f, Tensor x, Tensor rows, Tensor w, Tensor offsets, Tensor h, Tensor y) {
    CudaMatmulOps.requireActivated(w, h, y);
    products.run(gathered(x, rows, w, offsets, y).withActivation(f, h));
  }

  private GemmCall gathered(Tensor x, Tensor rows, Tensor w, Tensor offsets, Tensor y) {
    CudaMatmulOps.requireGroups("gathered forward: w", w, offsets);
    Doors.requireMatrix("gathered forward: w", w, (long) w.dim(0) * w.dim(1), x.columns());
    Doors.requireVector("gathered forward: rows", rows, y.rows(), DType.I32);
    Doors.requireMatrix("gathered forward: y", y, rows.size(), w.dim(1));
    return call.grouped(Form.NT, x, w, offsets, false, y).gathering(rows);
  }

  @Override
  public void backwardWeight(Tensor dy, Tensor x, Tensor rows, Tensor offsets, Tensor dw) {
    CudaMatmulOps.requireGroups("gathered backwardWeight: dw", dw, offsets);
    Doors.requireMatrix(
        "gathered backwardWeight: dw", dw, (long) dw.dim(0) * dw.dim(1), x.columns());
    Doors.requireVector("gathered backwardWeight: rows", rows, dy.rows(), DType.I32);
    Doors.requireMatrix("gathered backwardWeight: dy", dy, rows.size(), dw.dim(1));
    products.run(call.grouped(Form.TN, dy, x, offsets, true, dw).gathering(rows));
  }
}
