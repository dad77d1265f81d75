package dev.sparrow.sparsity.moe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.nn.Workspace;
import dev.sparrow.sparsity.moe.MoeFixture.Result;
import dev.sparrow.tensor.Tensor;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CapacityDispatchTest {
  @Test
  void earlierTokensComeFirst() {
    try (ReferenceBackend backend = new ReferenceBackend();
        Workspace workspace = new Workspace(backend)) {
      // ceil(1·6/3) = 2 slots an expert.
      CapacityDispatch dispatch = new CapacityDispatch(backend, 3, 1, 1.0);
      dispatch.reserve(workspace, 6);
      Tensor experts = backend.tensor(new int[] {0, 0, 2, 0, 0, 2}, 6, 1);
      Plan plan = dispatch.plan(experts);
      int[] rows = new int[6];
      backend.downloadSync(plan.rowOf(), rows, 0);
      assertArrayEquals(new int[] {0, 1, 2, -1, -1, 3}, rows);
      assertArrayEquals(new int[] {0, 2, 2, 4}, plan.startsSync());
      int[] load = new int[3];
      backend.downloadSync(plan.load(), load, 0);
      assertArrayEquals(new int[] {4, 0, 2}, load);
      assertEquals(4, plan.rows());
      assertEquals(2, plan.dropped());
    }
  }

  @Test
  void capacityIsRoundedUp() {
    try (ReferenceBackend backend = new ReferenceBackend()) {
      assertEquals(3, new CapacityDispatch(backend, 4, 2, 1.0).capacity(10));
      assertEquals(4, new CapacityDispatch(backend, 4, 2, 1.25).capacity(10));
      assertEquals(10, new CapacityDispatch(backend, 4, 2, 100).capacity(10));
    }
  }

  @Test
  void aDroppedTokenGetsNothingAndGivesNothing() {
    MoeCase values =
        MoeCase.random(MoeCase.spec(6, 3, 1, 0, 0.1, 0.05), 6, 4, true, 41)
            .routed(0, 0, 2, 0, 0, 2);
    try (ReferenceBackend backend = new ReferenceBackend();
        MoeFixture fixture =
            new MoeFixture(
                backend, Form.CAPACITY, values, new CapacityDispatch(backend, 3, 1, 1.0))) {
      Result result = fixture.run();
      for (int i = 3 * 6; i < 5 * 6; i++) {
        assertEquals(0, result.out()[i], "output " + i + " of a dropped token, seed 41");
      }
      assertEquals(2, result.figures().get("dropped_tokens"));
      assertEquals(2, result.figures().get("expert_load_max_over_mean"));
      // The kept tokens' outputs are those of the layer without a limit.
      double[] all = new PerTokenMoe(values).out();
      for (int i = 0; i < 3 * 6; i++) {
        assertEquals(all[i], result.out()[i], 1e-12, "output " + i + ", seed 41");
      }
    }
  }

  @Test
  void aDroppedAssignmentHasNoGradient() {
    // Without losses the dropped tokens' outputs are constant: dropping is like dout = 0 there.
    MoeCase values =
        MoeCase.random(MoeCase.spec(6, 3, 1, 0, 0, 0), 6, 4, true, 42).routed(0, 0, 2, 0, 0, 2);
    float[] dout = values.dout().clone();
    Arrays.fill(dout, 3 * 6, 5 * 6, 0);
    Result expected = new PerTokenMoe(values.with(values.x(), dout)).result();
    try (ReferenceBackend backend = new ReferenceBackend();
        MoeFixture fixture =
            new MoeFixture(
                backend, Form.CAPACITY, values, new CapacityDispatch(backend, 3, 1, 1.0))) {
      Result result = fixture.run();
      double[] out = expected.out().clone();
      Arrays.fill(out, 3 * 6, 5 * 6, 0);
      Result kept =
          new Result(
              out,
              expected.dx(),
              expected.drouter(),
              expected.dgate(),
              expected.dup(),
              expected.ddown(),
              Map.of("dropped_tokens", 2.0));
      Results.check(kept, result, 1e-12, 1e-12, "seed 42");
    }
  }

  @Test
  void aFactorOfZeroIsRefused() {
    try (ReferenceBackend backend = new ReferenceBackend()) {
      assertThrows(IllegalArgumentException.class, () -> new CapacityDispatch(backend, 3, 1, 0));
    }
  }
}
