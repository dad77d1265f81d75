package dev.sparrow.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sparrow.backend.Bf16;
import dev.sparrow.tensor.DType;
import dev.sparrow.tensor.Shape;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafeTensorsTest {
  private static byte[] write(Map<String, String> metadata, List<HostTensor> tensors)
      throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SafeTensorsWriter.write(out, metadata, tensors);
    return out.toByteArray();
  }

  private static SafeTensorsReader open(byte[] file) throws IOException {
    return new SafeTensorsReader(new ByteArrayInputStream(file), file.length, "file");
  }

  private static Map<String, Object> readAll(byte[] file) throws IOException {
    Map<String, Object> arrays = new HashMap<>();
    try (SafeTensorsReader reader = open(file)) {
      reader.read(HostTensor::room, read -> arrays.put(read.name(), read.array()));
    }
    return arrays;
  }

  private static byte[] file(String header, int dataBytes) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + json.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(json.length)
        .put(json)
        .array();
  }

  @Test
  void everyDtypeComesBack() throws IOException {
    float[] floats = {9, 1.5f, -0f, Float.NaN, Float.MIN_VALUE, 9};
    double[] doubles = {Math.PI};
    int[] ints = {Integer.MIN_VALUE, -1, 7};
    byte[] file =
        write(
            Map.of("format", "test \"quoted\""),
            List.of(
                HostTensor.of("wörds", Shape.of(2, 2), floats, 1),
                HostTensor.of("scalar", Shape.of(), doubles, 0),
                HostTensor.of("empty", Shape.of(0, 4), new float[0], 0),
                HostTensor.of("ids", Shape.of(3), ints, 0)));
    Map<String, Object> read = readAll(file);
    assertArrayEquals(Arrays.copyOfRange(floats, 1, 5), (float[]) read.get("wörds"));
    assertArrayEquals(doubles, (double[]) read.get("scalar"));
    assertArrayEquals(ints, (int[]) read.get("ids"));
    assertEquals(0, ((float[]) read.get("empty")).length);
    try (SafeTensorsReader reader = open(file)) {
      assertEquals(Map.of("format", "test \"quoted\""), reader.metadata());
    }
  }

  @Test
  void narrowTypesAreWrittenAndComeBack() throws IOException {
    float[] floats = {1, -0f, 1.00390625f, 1.01171875f, Float.NaN, Float.MAX_VALUE, 1e-40f, 3.3f};
    int[] bytes = {0, 1, 127, 128, 255};
    int[] words = {0, 255, 256, 32767, 32768, 65535};
    byte[] file =
        write(
            Map.of(),
            List.of(
                HostTensor.of("floats", Shape.of(8), floats, 0).as(DType.BF16),
                HostTensor.of("words", Shape.of(2, 3), words, 0).as(DType.U16),
                HostTensor.of("bytes", Shape.of(5), bytes, 0).as(DType.U8)));
    Map<String, Object> read = readAll(file);
    float[] rounded = new float[floats.length];
    for (int i = 0; i < floats.length; i++) {
      rounded[i] = Bf16.round(floats[i]);
    }
    assertArrayEquals(rounded, (float[]) read.get("floats"));
    assertArrayEquals(words, (int[]) read.get("words"));
    assertArrayEquals(bytes, (int[]) read.get("bytes"));
    ByteBuffer data = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    int start = file.length - 5 - 12 - 16;
    assertEquals((short) 0x3f80, data.getShort(start));
    assertEquals((short) 65535, data.getShort(start + 16 + 10));
    assertEquals((byte) 255, data.get(file.length - 1));
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 256, 65536})
  void integersPastTheirTypeAreNotWritten(int value) {
    HostTensor bytes = HostTensor.of("x", Shape.of(1), new int[] {value}, 0).as(DType.U8);
    IllegalArgumentException error =
        assertThrows(IllegalArgumentException.class, () -> write(Map.of(), List.of(bytes)));
    assertEquals("x: expected values of 0 to 255 as U8, got " + value, error.getMessage());
    HostTensor words = HostTensor.of("x", Shape.of(1), new int[] {65536}, 0).as(DType.U16);
    assertThrows(IllegalArgumentException.class, () -> write(Map.of(), List.of(words)));
  }

  @Test
  void valuesPastAChunkComeBack() throws IOException {
    int size = (1 << 18) + 3; // a chunk holds 2^18 floats
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = i;
    }
    byte[] file = write(Map.of(), List.of(HostTensor.of("x", Shape.of(size), values, 0)));
    assertArrayEquals(values, (float[]) readAll(file).get("x"));
  }

  /** The bytes that huggingface/safetensors' own Python writer gives for one F32 tensor. */
  @Test
  void bytesAreThoseOfTheFormat() throws IOException {
    byte[] file = write(Map.of(), List.of(HostTensor.of("a", Shape.of(2), new float[] {1, 2}, 0)));
    String header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    int padded = (header.length() + 7) / 8 * 8;
    ByteBuffer expected = ByteBuffer.allocate(8 + padded + 8).order(ByteOrder.LITTLE_ENDIAN);
    expected.putLong(padded).put(header.getBytes(StandardCharsets.US_ASCII));
    while (expected.position() < 8 + padded) {
      expected.put((byte) ' ');
    }
    expected.putFloat(1).putFloat(2);
    assertArrayEquals(expected.array(), file);
  }

  /** Other tools may put the header's entries in another order than the data. */
  @Test
  void headersInAnyOrderAreRead() throws IOException {
    byte[] file =
        file(
            "{\"b\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[4,8]},"
                + "\"a\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            8);
    file[file.length - 4] = 5;
    Map<String, Object> read = readAll(file);
    assertArrayEquals(new int[] {0}, (int[]) read.get("a"));
    assertArrayEquals(new int[] {5}, (int[]) read.get("b"));
  }

  @Test
  void unwantedTensorsArePassedOver() throws IOException {
    byte[] file =
        write(
            Map.of(),
            List.of(
                HostTensor.of("a", Shape.of(2), new float[] {1, 2}, 0),
                HostTensor.of("b", Shape.of(1), new float[] {3}, 0)));
    try (SafeTensorsReader reader = open(file)) {
      float[] b = new float[1];
      reader.read(
          info -> info.name().equals("b") ? HostTensor.of("b", Shape.of(1), b, 0) : null,
          read -> assertEquals(DType.F32, read.dtype()));
      assertEquals(3, b[0]);
    }
  }

  @Test
  void everyTornLengthIsAnError() throws IOException {
    byte[] file = write(Map.of(), List.of(HostTensor.of("a", Shape.of(2), new float[2], 0)));
    for (int length = 0; length < file.length; length++) {
      byte[] torn = Arrays.copyOf(file, length);
      assertThrows(IOException.class, () -> readAll(torn), "cut to " + length + " bytes");
    }
    assertThrows(IOException.class, () -> readAll(Arrays.copyOf(file, file.length + 1)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[]",
        "{\"a\":1}",
        "{\"a\":{\"dtype\":\"F7\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2000000000,2000000000,2000000000],"
            + "\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}"
      })
  void hostileHeadersAreErrors(String header) {
    byte[] file = file(header, 8);
    IOException error = assertThrows(IOException.class, () -> readAll(file));
    assertTrue(error.getMessage().startsWith("file: expected"), error.getMessage());
  }

  @Test
  void aHugeHeaderLengthAllocatesNothing() {
    byte[] file = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(1L << 40).array();
    assertThrows(IOException.class, () -> readAll(file));
  }

  @Test
  void namesComeOnce() {
    HostTensor a = HostTensor.of("a", Shape.of(1), new float[1], 0);
    assertThrows(IllegalArgumentException.class, () -> write(Map.of(), List.of(a, a)));
  }
}
