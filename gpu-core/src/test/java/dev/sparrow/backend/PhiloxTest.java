package dev.sparrow.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PhiloxTest {
  private static final RandomKey KEY = new RandomKey(0x123456789ABCDEFL, 42);

  /** The three vectors for philox4x32-10 of Random123's kat_vectors. */
  @Test
  void theCipherGivesThePublishedAnswers() {
    assertCipher(0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    assertCipher(-1, -1, -1, -1, -1, -1, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    assertCipher(
        0xa4093822,
        0x299f31d0,
        0x243f6a88,
        0x85a308d3,
        0x13198a2e,
        0x03707344,
        0xd16cfe09,
        0x94fdcceb,
        0x5001e420,
        0x24126ea1);
  }

  private static void assertCipher(int k0, int k1, int c0, int c1, int c2, int c3, int... out) {
    int[] got = new int[4];
    Philox.cipher(k0, k1, c0, c1, c2, c3, got);
    assertArrayEquals(out, got);
  }

  @Test
  void theKeyIsTheSeedAndTheCounterIsBlockAndStream() {
    RandomKey key = new RandomKey(0x299f31d0a4093822L, 0x0370734413198a2eL);
    int[] got = new int[4];
    Philox.block(key, 0x85a308d3243f6a88L, got);
    assertArrayEquals(new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}, got);
  }

  @Test
  void bulkDrawsEqualSingleDraws() {
    for (int start = 0; start < 5; start++) {
      for (int count : new int[] {0, 1, 3, 4, 5, 17}) {
        float[] uniforms = new float[count + 1];
        float[] normals = new float[count + 1];
        Philox.uniforms(KEY, start, uniforms, 1, count);
        Philox.normals(KEY, start, normals, 1, count);
        for (int i = 0; i < count; i++) {
          assertEquals(Philox.uniform(KEY, start + i), uniforms[i + 1]);
          assertEquals(Philox.normal(KEY, start + i), normals[i + 1]);
        }
      }
    }
  }

  @Test
  void drawsPastTheIntRangeDiffer() {
    assertNotEquals(Philox.word(KEY, 5), Philox.word(KEY, 5 + (1L << 34)));
  }

  @Test
  void uniformsAreBelowOneAndNormalsFinite() {
    assertEquals(1 - 0x1p-24f, Philox.uniform(-1));
    assertEquals(0f, Philox.uniform(255));
  }

  /** Mean and variance of n draws deviate by their standard errors, of which four are allowed. */
  @Test
  void momentsAreThoseOfTheDistributions() {
    int n = 1 << 16;
    float[] x = new float[n];
    Philox.uniforms(KEY, 0, x, 0, n);
    assertMoments(x, 0.5, 1.0 / 12, 1.0 / 80);
    Philox.normals(KEY, 0, x, 0, n);
    assertMoments(x, 0, 1, 3);
  }

  private static void assertMoments(float[] x, double mean, double variance, double fourth) {
    double sum = 0;
    double squares = 0;
    for (float v : x) {
      sum += v;
      squares += (v - mean) * (v - mean);
    }
    double meanError = Math.sqrt(variance / x.length);
    double varianceError = Math.sqrt((fourth - variance * variance) / x.length);
    assertTrue(Math.abs(sum / x.length - mean) < 4 * meanError, "mean " + sum / x.length);
    assertTrue(
        Math.abs(squares / x.length - variance) < 4 * varianceError,
        "variance " + squares / x.length);
  }
}
