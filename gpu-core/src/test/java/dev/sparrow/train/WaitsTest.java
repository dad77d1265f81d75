package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.tensor.HostInts;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * How often the host waits for the device: a device idles between the queues that it gets.
 *
 * <p>Two kinds are told apart. Calls of the backend and its ops that wait, wait for all ops that
 * were called. A batch waits for its own copy to the device before it is written again; that copy
 * comes before its pass, and behind the step out of the same memory's copy before. The source here
 * has one batch and no thread of its own, so that these waits fall into the step; they leave two
 * passes queued. A reader of shards waits on its own thread, see PinnedUploads.
 */
class WaitsTest {
  private static final int MICRO_BATCHES = 4; // of two sequences of eight

  /** Calls that wait for ops, as their names say. */
  private final List<String> waits = new ArrayList<>();

  private int waitsForCopies;

  @Test
  void aStepOfSeveralMicroBatchesWaitsOnceForOpsAndOnceABatchForItsCopy() {
    List<Integer> counts = new ArrayList<>();
    List<Integer> copies = new ArrayList<>();
    new ToyRun("method.name=dense", "train.micro-batch=2", "train.log-every=1000")
        .on(rank -> (Backend) listening(Backend.class, new CpuBackend(1)))
        .hook(
            (step, arena, backend) -> {
              counts.add(waits.size());
              copies.add(waitsForCopies);
              return false;
            })
        .alone();
    assertEquals(10, counts.size());
    for (int step = 1; step < counts.size(); step++) {
      assertEquals(1, counts.get(step) - counts.get(step - 1), "waits up to now: " + waits);
      assertEquals(MICRO_BATCHES, copies.get(step) - copies.get(step - 1));
    }
  }

  /** The backend, one of its op families or host memory, telling the calls that wait. */
  private Object listening(Class<?> type, Object target) {
    return Proxy.newProxyInstance(
        type.getClassLoader(),
        new Class<?>[] {type},
        (proxy, method, arguments) -> {
          String name = method.getName();
          if (type == HostInts.class) {
            waitsForCopies += name.equals("awaitTakenSync") ? 1 : 0;
          } else if (name.endsWith("Sync") || name.equals("synchronize")) {
            waits.add(name);
          }
          try {
            Object result = method.invoke(target, arguments);
            Class<?> given = method.getReturnType();
            boolean listened = given.getSimpleName().endsWith("Ops") || given == HostInts.class;
            return listened ? listening(given, result) : result;
          } catch (InvocationTargetException e) {
            throw e.getCause();
          }
        });
  }
}
