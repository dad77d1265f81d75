package dev.sparrow.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Backend;
import dev.sparrow.backend.FiniteDifferences;
import dev.sparrow.backend.RandomValues;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.TensorAssert;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.backend.cuda.TestGpu;
import dev.sparrow.config.ConfigParser;
import dev.sparrow.config.RunConfig;
import dev.sparrow.data.ImageBatch;
import dev.sparrow.data.ImageShape;
import dev.sparrow.nn.Parameter;
import dev.sparrow.nn.ParameterArena;
import dev.sparrow.nn.Pass;
import dev.sparrow.nn.Workspace;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the classifiers' common tests do not reach of convolutional networks. */
class ConvNetTest {
  private static final ImageShape LARGE = new ImageShape(32, 33, 2);
  private static final int SAMPLES = 2;

  /** A model with memory, its weights drawn, and one batch. */
  private static final class Net implements AutoCloseable {
    final Backend backend;
    final ImageClassifier model;
    final ParameterArena arena;
    final ImageBatch batch;
    final Pass pass = new Pass(true, 9, 0, SAMPLES, 1, 1.0 / SAMPLES);

    Net(Backend backend, ImageShape image, String... settings) {
      this.backend = backend;
      RunConfig config = ConfigParser.parse("", "test", List.of(settings));
      this.model =
          Models.imageClassifier(backend, config, image, 3, Models.method(backend, config));
      this.arena = new ParameterArena(backend, model.parameters());
      arena.initialize(5);
      model.reserve(new Workspace(backend), SAMPLES);
      this.batch = new ImageBatch(SAMPLES, image);
      float[] pixels = new RandomValues(8).normal(SAMPLES * image.size());
      System.arraycopy(pixels, 0, batch.pixels(), 0, pixels.length);
      batch.labels()[1] = 2;
      batch.filled(SAMPLES, 0);
    }

    double loss() {
      model.forward(batch, pass);
      return pass.lossScale() * model.lossSumSync();
    }

    double[] gradients() {
      model.forwardBackward(batch, pass, parameter -> {});
      return Values.of(backend, arena.gradients());
    }

    @Override
    public void close() {
      arena.close();
      backend.close();
    }
  }

  private static Net vgg(Backend backend) {
    return new Net(
        backend,
        LARGE,
        "model.kind=vgg",
        "model.depth=19",
        "model.width=1",
        "model.initial-deviation=0.5");
  }

  /**
   * Among the tens of thousands of rectified numbers and maxima some are at a kink within a step,
   * each a small part of a derivative; a layer whose gradient is wrong is far off.
   */
  @Test
  void gradientsOfVggAreNearCentralDifferences() {
    try (Net net = vgg(new ReferenceBackend())) {
      net.gradients();
      FiniteDifferences differences = new FiniteDifferences(net::loss);
      net.model.parameters().forEach(p -> differences.gradient(p.name(), p.value(), p.gradient()));
      differences.samples(3, 4).tolerance(0.005, 0.02).check();
    }
  }

  /** fp32 against double through 16 normalised layers. */
  @Test
  void vggOnTheCpuEqualsTheDoubleOracle() {
    try (Net oracle = vgg(new ReferenceBackend());
        Net cpu = vgg(new CpuBackend(2))) {
      TensorAssert close = new TensorAssert("vgg, seed 5", 2e-4, 2e-4);
      close.check("gradients", oracle.gradients(), cpu.gradients());
      close.check("loss", new double[] {oracle.loss()}, new double[] {cpu.loss()});
    }
  }

  /** bf16 against fp32: channels that fit the tensor cores, and the first layer that does not. */
  @Test
  void aResidualNetworkOnAGpuIsNearTheCpus() {
    String[] settings = {"model.kind=resnet", "model.depth=8", "model.width=8"};
    ImageShape image = new ImageShape(9, 8, 3);
    try (Net cpu = new Net(new CpuBackend(1), image, settings);
        Net gpu = new Net(TestGpu.open(), image, settings)) {
      assertEquals(cpu.loss(), gpu.loss(), 0.02);
      double[] expected = cpu.gradients();
      double[] actual = gpu.gradients();
      double dot = 0;
      double squares = 0;
      double others = 0;
      for (int i = 0; i < expected.length; i++) {
        dot += expected[i] * actual[i];
        squares += expected[i] * expected[i];
        others += actual[i] * actual[i];
      }
      double cosine = dot / Math.sqrt(squares * others);
      assertTrue(cosine > 0.995, "cosine of the gradients: " + cosine);
      assertEquals(1, Math.sqrt(others / squares), 0.03, "length of the gradient");
    }
  }

  @Test
  void layersHaveTheNamesThatMethodsMatch() {
    try (Net net =
        new Net(
            new CpuBackend(1),
            new ImageShape(8, 8, 1),
            "model.kind=resnet",
            "model.depth=14",
            "model.width=8")) {
      List<String> names = net.model.parameters().stream().map(Parameter::name).toList();
      assertEquals("stem.conv.weight", names.get(0));
      assertTrue(names.contains("stages.1.0.conv1.weight"), names.toString());
      assertTrue(names.contains("stages.2.1.norm2.bias"), names.toString());
      assertTrue(names.contains("stages.2.0.shortcut.weight"), names.toString());
      assertFalse(names.contains("stages.0.0.shortcut.weight"), names.toString());
      assertFalse(names.contains("stages.1.1.shortcut.weight"), names.toString());
      for (Parameter p : net.model.parameters()) {
        boolean matrix = p.shape().rank() == 2;
        assertEquals(matrix, p.decay(), p.name() + ": norms and biases are not decayed");
      }
    }
  }

  @Test
  void imagesTooSmallForVggAreRefused() {
    Exception small =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                new Net(
                    new CpuBackend(1),
                    new ImageShape(28, 28, 1),
                    "model.kind=vgg",
                    "model.depth=19"));
    assertTrue(small.getMessage().contains("at least 32 x 32 pixels"), small.getMessage());
  }
}
