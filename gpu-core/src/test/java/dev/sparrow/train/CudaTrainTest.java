package dev.sparrow.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.cuda.TestGpu;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole runs on a GPU, real or emulated, beside the same runs on the CPU. */
class CudaTrainTest {
  /**
   * bf16 keeps 8 bits, so that a loss near 2.5 nats differs by some thousandths; a wrong gradient
   * shows as a loss that falls by less within these steps.
   */
  private static final double LOSS_TOLERANCE = 0.03;

  private static final String DENSE = "method.name=dense";

  /** The model's forms that train on a GPU. */
  enum Form {
    GPT(DENSE),
    ACCUMULATING(DENSE, "train.micro-batch=2"),
    LLAMA(
        DENSE,
        "model.positions=rotary",
        "model.norm=rms",
        "model.activation=silu",
        "model.gated=true",
        "model.tied-head=true"),
    /** Batches of 128 tokens, from which on a router's products are split. */
    MOE(
        "method.name=moe",
        "moe.experts=4",
        "moe.top-k=2",
        "moe.bias-balancing=0.001",
        "train.batch=16"),
    MOE_GATED(
        "method.name=moe",
        "moe.experts=4",
        "moe.top-k=2",
        "moe.shared-hidden=24",
        "model.activation=silu",
        "model.gated=true"),
    MOE_JITTER("method.name=moe", "moe.experts=4", "moe.top-k=1", "moe.jitter=0.1"),
    MOE_CAPACITY("method.name=moe", "moe.experts=4", "moe.top-k=2", "moe.dispatch=capacity");

    private final String[] settings;

    Form(String... settings) {
      this.settings = settings;
    }
  }

  @ParameterizedTest
  @EnumSource(Form.class)
  void lossesFollowTheCpus(Form form) {
    ToyRun.Result cpu = new ToyRun(form.settings).alone();
    ToyRun.Result gpu = new ToyRun(form.settings).on(rank -> TestGpu.open()).alone();
    assertEquals(cpu.samples(), gpu.samples());
    assertEquals(cpu.parameters(), gpu.parameters());
    for (int i = 0; i < cpu.losses().size(); i++) {
      assertEquals(
          cpu.losses().get(i), gpu.losses().get(i), LOSS_TOLERANCE, form + ", row " + (i + 1));
    }
    assertEquals(cpu.summary().validationLoss(), gpu.summary().validationLoss(), LOSS_TOLERANCE);
    assertTrue(gpu.losses().get(9) < gpu.losses().get(0), "the loss should fall: " + gpu.losses());
  }

  @Test
  void aRunRepeatsToTheBit() {
    ToyRun.Result first = new ToyRun(DENSE).on(rank -> TestGpu.open()).alone();
    ToyRun.Result second = new ToyRun(DENSE).on(rank -> TestGpu.open()).alone();
    assertEquals(first.losses(), second.losses());
    assertArrayEquals(first.weights(), second.weights());
  }

  @Test
  void aResumedRunGivesTheSameBits(@TempDir Path directory) {
    ToyRun.Result whole = new ToyRun(DENSE).on(rank -> TestGpu.open()).alone();
    new ToyRun(DENSE, "checkpoint.every=4")
        .on(rank -> TestGpu.open())
        .checkpoints(directory)
        .hook((step, arena, backend) -> step == 4)
        .alone();
    ToyRun.Result resumed =
        new ToyRun(DENSE, "checkpoint.every=4")
            .on(rank -> TestGpu.open())
            .checkpoints(directory)
            .alone();
    assertArrayEquals(whole.weights(), resumed.weights());
  }

  /**
   * Gradients go from GPU to GPU. Sums of two are the same in either order, so that the bits are
   * those of the way through the host.
   */
  @Test
  void twoGpusJoinedByNcclGiveTheBitsOfTheRing() throws Exception {
    TestGpu.assumeTwoJoined();
    List<ToyRun.Result> ring = new ToyRun(DENSE).on(TestGpu::open).ranks(2);
    List<ToyRun.Result> joined = new ToyRun(DENSE).on(TestGpu::openJoined).ranks(2);
    assertArrayEquals(ring.get(0).weights(), joined.get(0).weights());
    assertArrayEquals(joined.get(0).weights(), joined.get(1).weights());
    assertEquals(ring.get(0).losses(), joined.get(0).losses());
  }

  /** With cuBLASLt for dense products a run is another one, but as repeatable. */
  @Test
  void aRunByCublasLtRepeatsToTheBit() {
    ToyRun.Result first = new ToyRun(DENSE).on(rank -> TestGpu.openWithCublasLt()).alone();
    ToyRun.Result second = new ToyRun(DENSE).on(rank -> TestGpu.openWithCublasLt()).alone();
    ToyRun.Result own = new ToyRun(DENSE).on(rank -> TestGpu.open()).alone();
    assertArrayEquals(first.weights(), second.weights());
    for (int i = 0; i < own.losses().size(); i++) {
      assertEquals(own.losses().get(i), first.losses().get(i), LOSS_TOLERANCE);
    }
  }

  /** Gradients travel through the host while backward goes on. */
  @Test
  void twoGpusGiveWhatTwoCpusGive() throws Exception {
    ToyRun.Opener gpus = rank -> TestGpu.open(TestGpu.emulated() ? rank : 0);
    List<ToyRun.Result> cpu = new ToyRun(DENSE).ranks(2);
    List<ToyRun.Result> gpu = new ToyRun(DENSE).on(gpus).ranks(2);
    assertArrayEquals(gpu.get(0).weights(), gpu.get(1).weights());
    for (int i = 0; i < 10; i++) {
      assertEquals(cpu.get(0).losses().get(i), gpu.get(0).losses().get(i), LOSS_TOLERANCE);
    }
  }
}
