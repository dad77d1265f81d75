package dev.sparrow.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sparrow.backend.OptimizerOps;
import dev.sparrow.nn.Parameter;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** One case of torch_golden.json, which src/test/python/torch_golden.py wrote. */
final class TorchGolden {
  private final JsonNode adamw;
  private final JsonNode values;

  TorchGolden(String name) {
    try (InputStream in = TorchGolden.class.getResourceAsStream("torch_golden.json")) {
      JsonNode root = new ObjectMapper().readTree(in);
      adamw = root.get("adamw");
      values = root.get("cases").get(name);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Names of all parameters, in PyTorch's order. */
  List<String> names() {
    List<String> names = new ArrayList<>();
    values.get("parameters").fieldNames().forEachRemaining(names::add);
    return names;
  }

  float[] weight(Parameter parameter) {
    float[] weight = new float[(int) parameter.size()];
    bytes(of(parameter).get("weight")).asFloatBuffer().get(weight);
    return weight;
  }

  double[] gradient(Parameter parameter) {
    return doubles(of(parameter).get("gradient"));
  }

  private JsonNode of(Parameter parameter) {
    JsonNode found = values.get("parameters").get(parameter.name());
    String shape = found == null ? "none" : found.get("shape").toString().replace(",", ", ");
    if (!shape.equals(parameter.shape().toString())) {
      throw new AssertionError(parameter + ": PyTorch's shape is " + shape);
    }
    return found;
  }

  /** (sequences, context + 1) */
  int[] ids() {
    int[] ids = new int[values.get("ids").size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = values.get("ids").get(i).intValue();
    }
    return ids;
  }

  double[] logits() {
    return doubles(values.get("logits"));
  }

  double loss() {
    return values.get("loss").doubleValue();
  }

  /** Before each of the updates. */
  double[] losses() {
    double[] losses = new double[values.get("losses").size()];
    for (int i = 0; i < losses.length; i++) {
      losses[i] = values.get("losses").get(i).doubleValue();
    }
    return losses;
  }

  OptimizerOps.AdamW adamW(long step) {
    return new OptimizerOps.AdamW(
        adamw.get("learningRate").doubleValue(),
        adamw.get("beta1").doubleValue(),
        adamw.get("beta2").doubleValue(),
        adamw.get("epsilon").doubleValue(),
        adamw.get("weightDecay").doubleValue(),
        step);
  }

  private static double[] doubles(JsonNode text) {
    ByteBuffer bytes = bytes(text);
    double[] values = new double[bytes.remaining() / Double.BYTES];
    bytes.asDoubleBuffer().get(values);
    return values;
  }

  private static ByteBuffer bytes(JsonNode text) {
    byte[] raw = Base64.getDecoder().decode(text.textValue());
    return ByteBuffer.wrap(raw).order(ByteOrder.LITTLE_ENDIAN);
  }
}
