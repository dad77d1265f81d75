package dev.sparrow.sparsity.moe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.backend.Backend;
import dev.sparrow.backend.ReferenceBackend;
import dev.sparrow.backend.cpu.CpuBackend;
import dev.sparrow.sparsity.moe.MoeFixture.Result;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * PyTorch's outputs and gradients of one layer: top-2, SwiGLU, both losses. PyTorch computed them
 * in double by autograd; src/test/python/torch_golden_moe.py wrote the file.
 */
class MoeTorchParityTest {
  private final JsonNode golden = read();

  private static JsonNode read() {
    try (InputStream in = MoeTorchParityTest.class.getResourceAsStream("torch_golden_moe.json")) {
      return new ObjectMapper().readTree(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private ByteBuffer bytes(String name) {
    byte[] raw = Base64.getDecoder().decode(golden.get(name).textValue());
    return ByteBuffer.wrap(raw).order(ByteOrder.LITTLE_ENDIAN);
  }

  private float[] floats(String name) {
    ByteBuffer bytes = bytes(name);
    float[] values = new float[bytes.remaining() / Float.BYTES];
    bytes.asFloatBuffer().get(values);
    return values;
  }

  private double[] doubles(String name) {
    ByteBuffer bytes = bytes(name);
    double[] values = new double[bytes.remaining() / Double.BYTES];
    bytes.asDoubleBuffer().get(values);
    return values;
  }

  private int integer(String name) {
    return golden.get(name).intValue();
  }

  private double number(String name) {
    return golden.get(name).doubleValue();
  }

  private MoeCase values() {
    RouterSpec spec =
        new RouterSpec(
            "block",
            integer("width"),
            integer("experts"),
            integer("topK"),
            0,
            0,
            1,
            number("loadBalancing"),
            number("z"),
            0,
            1);
    return new MoeCase(
        spec,
        integer("tokens"),
        integer("hidden"),
        true,
        floats("x"),
        floats("dout"),
        floats("router"),
        floats("gate"),
        floats("up"),
        floats("down"));
  }

  private Result expected() {
    return new Result(
        doubles("out"),
        doubles("dx"),
        doubles("drouter"),
        doubles("dgate"),
        doubles("dup"),
        doubles("ddown"),
        Map.of(
            "load_balancing_loss",
            number("load_balancing_loss"),
            "z_loss",
            number("z_loss"),
            "dropped_tokens",
            0.0));
  }

  private void check(Backend backend, double tolerance) {
    try (MoeFixture fixture = new MoeFixture(backend, Form.GROUPED, values())) {
      String context = backend.name() + " against PyTorch";
      Results.check(expected(), fixture.run(), tolerance, tolerance, context);
    }
  }

  /** 2e-7: what passes the host as float; see MoeFormsTest. */
  @Test
  void theDoubleOracleAgrees() {
    try (ReferenceBackend backend = new ReferenceBackend()) {
      check(backend, 2e-7);
    }
  }

  /** fp32 sums of at most 46 terms near 1: 1e-5, see MoeCpuTest. */
  @Test
  void theCpuAgrees() {
    try (CpuBackend backend = new CpuBackend(2)) {
      check(backend, 1e-5);
    }
  }
}
