package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How often the host waits for the device: a device idles between the queues that it gets. */
class WaitsTest {
  /** Calls that wait, as their names say. */
  private final List<String> waits = new ArrayList<>();

  @Test
  void aStepOfSeveralMicroBatchesWaitsOnce() {
    List<Integer> counts = new ArrayList<>();
    new ToyRun("method.name=dense", "train.micro-batch=2", "train.log-every=1000")
        .on(rank -> (Backend) listening(Backend.class, new CpuBackend(1)))
        .hook(
            (step, arena, backend) -> {
              counts.add(waits.size());
              return false;
            })
        .alone();
    assertEquals(10, counts.size());
    for (int step = 1; step < counts.size(); step++) {
      assertEquals(1, counts.get(step) - counts.get(step - 1), "waits up to now: " + waits);
    }
  }

  /** The backend or one of its op families, telling the calls that wait. */
  private Object listening(Class<?> type, Object target) {
    return Proxy.newProxyInstance(
        type.getClassLoader(),
        new Class<?>[] {type},
        (proxy, method, arguments) -> {
          String name = method.getName();
          if (name.endsWith("Sync") || name.equals("synchronize")) {
            waits.add(name);
          }
          try {
            Object result = method.invoke(target, arguments);
            boolean family = method.getReturnType().getSimpleName().endsWith("Ops");
            return family ? listening(method.getReturnType(), result) : result;
          } catch (InvocationTargetException e) {
            throw e.getCause();
          }
        });
  }
}
