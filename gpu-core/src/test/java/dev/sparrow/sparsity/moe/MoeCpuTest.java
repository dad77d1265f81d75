package dev.sparrow.sparsity.moe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.sparsity.moe.MoeFixture.Result;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The layer in fp32 on the CPU, at sizes where the parallel loops split. */
class MoeCpuTest {
  /**
   * fp32 against double. Sums have up to 32 terms near 1 (forward) or 385 of 1/tokens (gradients):
   * 4·2^-24·32 = 8e-6 absolute covers both, see Comparison.sumOf.
   */
  private static final double ABSOLUTE = 1e-5;

  private static final double RELATIVE = 1e-5;

  private static void check(Form form, MoeCase values, String what) {
    try (CpuBackend backend = new CpuBackend(2);
        MoeFixture fixture = new MoeFixture(backend, form, values)) {
      Result expected = new PerTokenMoe(values).result();
      Results.check(expected, fixture.run(), ABSOLUTE, RELATIVE, form + ", " + what);
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void everyFormAgreesWithTheLoopOverTokens(Form form) {
    check(form, MoeCase.random(MoeCase.spec(32, 8, 2), 129, 32, true, 11), "seed 11");
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void loadsAroundAMegaBlocksBlock(Form form) {
    MoeCase values = MoeCase.random(MoeCase.spec(16, 5, 1), 385, 16, false, 12);
    check(form, values.routed(scattered(0, 1, 127, 128, 129)), "seed 12");
  }

  @Test
  void allTokensButOneExpertEmpty() {
    MoeCase values = MoeCase.random(MoeCase.spec(16, 6, 1), 50, 16, true, 13);
    check(Form.GROUPED, values.routed(scattered(0, 0, 0, 50, 0, 0)), "seed 13");
  }

  @Test
  void oneThousandExpertsForTwentyTokens() {
    check(Form.GROUPED, MoeCase.random(MoeCase.spec(8, 1024, 4), 20, 8, false, 14), "seed 14");
  }

  @Test
  void oneTokenTopOne() {
    check(Form.GROUPED, MoeCase.random(MoeCase.spec(16, 4, 1), 1, 16, true, 15), "seed 15");
  }

  /** The experts with their loads, their tokens scattered over the batch. */
  private static int[] scattered(int... loads) {
    int tokens = 0;
    for (int load : loads) {
      tokens += load;
    }
    int[] choices = new int[tokens];
    int next = 0;
    for (int e = 0; e < loads.length; e++) {
      for (int i = 0; i < loads[e]; i++) {
        // 13 divides none of the batch sizes, so that every token is met once.
        choices[(int) (13L * next++ % tokens)] = e;
      }
    }
    return choices;
  }

  @Test
  void theSameInputGivesTheSameBits() {
    MoeCase values = MoeCase.random(MoeCase.spec(32, 8, 2), 300, 64, true, 16);
    Result first = run(values);
    Result second = run(values);
    assertArrayEquals(first.out(), second.out(), "out, seed 16");
    assertArrayEquals(first.dx(), second.dx(), "dx, seed 16");
    assertArrayEquals(first.drouter(), second.drouter(), "drouter, seed 16");
    assertArrayEquals(first.dgate(), second.dgate(), "dgate, seed 16");
    assertArrayEquals(first.dup(), second.dup(), "dup, seed 16");
    assertArrayEquals(first.ddown(), second.ddown(), "ddown, seed 16");
  }

  private static Result run(MoeCase values) {
    try (CpuBackend backend = new CpuBackend(2);
        MoeFixture fixture = new MoeFixture(backend, Form.GROUPED, values)) {
      fixture.run();
      return fixture.run();
    }
  }

  @Test
  void aStepAllocatesNothingButViews() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int steps = 20;
    MoeCase values = MoeCase.random(MoeCase.spec(64, 8, 2), 512, 64, true, 17);
    try (CpuBackend backend = new CpuBackend(1);
        MoeFixture fixture = new MoeFixture(backend, Form.GROUPED, values)) {
      long tensors = backend.allocatedBytes();
      steps(fixture, 10 * steps);
      long before = threads.getCurrentThreadAllocatedBytes();
      steps(fixture, steps);
      long bytes = (threads.getCurrentThreadAllocatedBytes() - before) / steps;
      // About twenty ops with a lambda and a few views each; one (T, k) tensor would be 4096 bytes
      // and (P, hidden) 262144.
      assertTrue(bytes <= 16 << 10, bytes + " bytes a step, expected at most 16384");
      assertEquals(tensors, backend.allocatedBytes(), "tensors allocated in a step");
    }
  }

  private static void steps(MoeFixture fixture, int steps) {
    for (int i = 0; i < steps; i++) {
      fixture.layer.forward(fixture.x, fixture.pass);
      fixture.layer.backward(fixture.dout, fixture.pass);
    }
  }
}
