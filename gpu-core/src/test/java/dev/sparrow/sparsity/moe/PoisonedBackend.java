package dev.sparrow.sparsity.moe;

import dev.sparrow.backend.Backend;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Tensor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

/**
 * A backend whose fresh memory is NaN (large negative for integers) rather than zero: a layer that
 * reads what it has not written, such as padding, shows it in its outputs or gradients.
 */
final class PoisonedBackend {
  private PoisonedBackend() {}

  static Backend of(Backend backend) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              try {
                Object result = method.invoke(backend, arguments);
                if (method.getName().equals("allocate")) {
                  poison(backend, (Tensor) result);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static void poison(Backend backend, Tensor tensor) {
    boolean ints = tensor.dtype() == DType.I32;
    backend.elementwise().fill(tensor, ints ? Integer.MIN_VALUE : Double.NaN);
  }
}
